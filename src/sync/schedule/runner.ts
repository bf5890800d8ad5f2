import { AppError, errorOf } from "../../lib/errors.js";
import { fenced, type HeldLease } from "../ledger/lease.js";
import type { Completeness } from "../ledger/proof.js";
import { kindOf, type RunKind } from "../ledger/run-kinds.js";
import { findRun, finishRun, type OnProgress, type QueuedRun, type Run, startRun } from "../ledger/runs.js";
import { runBackfill } from "../reconcile/backfill.js";
import { runCheck } from "../reconcile/check.js";
import { createFindings } from "../reconcile/findings.js";
import { runFull } from "../reconcile/full.js";
import { noteTrouble, stepRolling } from "../reconcile/rolling.js";
import { createRunContext, type ReconcileDeps, type RunContext } from "../reconcile/run-context.js";
import { runSweep } from "../reconcile/sweep.js";
import { watchForStop } from "./stop-watch.js";

export interface RunnerDeps extends ReconcileDeps {
  completeness: Completeness;
  /** Told of each run that has ended in this process. Must not throw. */
  onRunEnded?: (run: Run) => void;
}

export interface ExecuteOptions {
  signal: AbortSignal;
  onProgress?: OnProgress;
  /** Waited for before each window of a run that reads everything, and between the pages of a sweep. */
  beforeWindow?: () => Promise<void>;
}

/** Does runs, in the process that holds the lease. */
export interface Runner {
  /**
   * Does one run to its end and returns it: its `state` tells how it ended; a person may end it early. Rejects when the signal aborts
   * or the lease is lost: then the run is left as it stands, and the next holder of the lease goes on with it.
   */
  execute(held: HeldLease, run: QueuedRun, options: ExecuteOptions): Promise<Run>;
  /** Does the next part of a rolling run. Rejects when that failed; the part can be tried again. */
  step(held: HeldLease, runId: string, options: ExecuteOptions): Promise<void>;
}

export function createRunner(deps: RunnerDeps): Runner {
  const { clock, log, completeness, requests, onRunEnded = () => {} } = deps;
  const { sql } = deps.primary;

  /**
   * Makes a context of what this run was asked to be, or of what it turned out to be. All of them share one
   * `Findings`.
   */
  function begin(
    held: HeldLease,
    run: Run,
    allowPurge: boolean,
    options: ExecuteOptions,
  ): (kind: RunKind) => RunContext {
    const { fence } = held;
    const signal = AbortSignal.any([options.signal, held.signal]);
    const { onProgress = () => {}, beforeWindow } = options;
    const findings = createFindings({ sql: deps.primary.patient, fence, run, requests });
    return (kind) =>
      createRunContext(deps, { run, kind, allowPurge, signal, onProgress, fence, findings, beforeWindow });
  }

  async function execute(held: HeldLease, queued: QueuedRun, options: ExecuteOptions): Promise<Run> {
    const { id, mode } = queued;
    if (!(await fenced(sql, held.fence, (tx) => startRun(tx, id, clock.now())))) return existing(id);
    const stop = watchForStop(sql, id);
    const signal = AbortSignal.any([options.signal, stop.signal]);
    const contextFor = begin(held, await existing(id), queued.allowPurge, { ...options, signal });
    const asked = contextFor(kindOf(mode));
    log.info({ run: id, mode }, "walk started");
    let end: Parameters<typeof finishRun>[2];
    try {
      await perform(asked, contextFor);
      end = { state: "succeeded", error: null, nowMs: clock.now() };
    } catch (error) {
      // Stopping is no failure: the next holder of the lease goes on.
      options.signal.throwIfAborted();
      held.signal.throwIfAborted();
      end = failureOf(error, clock.now());
      if (stop.signal.aborted) await asked.findings.save();
      else log.error({ run: id, mode, err: error }, `walk ${end.state}`);
    } finally {
      stop.end();
    }
    // Where a person has stopped it, it has ended already, and stays as that person left it.
    await fenced(sql, held.fence, (tx) => finishRun(tx, id, end));
    await completeness.refresh();
    const run = await existing(id);
    const { state, users, differences, requests } = run;
    log.info({ run: id, mode, state, users: users.seen, requests, differences }, "walk ended");
    onRunEnded(run);
    return run;
  }

  async function perform(asked: RunContext, contextFor: (kind: RunKind) => RunContext): Promise<void> {
    const { kind } = asked;
    if (kind.task === "fill") return runBackfill(asked);
    if (kind.task === "sweep") return runSweep(asked);
    if (kind.scope === "all") return runFull(asked);
    if ((await runCheck(asked)) !== "too_much") return;
    log.info({ run: asked.runId }, "a check becomes a walk of everything");
    await runFull(contextFor({ ...kind, scope: "all" }));
  }

  async function step(held: HeldLease, runId: string, options: ExecuteOptions): Promise<void> {
    const run = await existing(runId);
    const stop = watchForStop(sql, runId);
    const signal = AbortSignal.any([options.signal, stop.signal]);
    const context = begin(held, run, false, { ...options, signal })(kindOf(run.mode, "spread"));
    try {
      if (!(await stepRolling(context))) return;
      await fenced(sql, held.fence, (tx) =>
        finishRun(tx, runId, { state: "succeeded", error: null, nowMs: clock.now() }),
      );
      log.info({ run: runId }, "everything was verified");
      onRunEnded(await existing(runId));
    } catch (error) {
      options.signal.throwIfAborted();
      held.signal.throwIfAborted();
      if (stop.signal.aborted) return void (await context.findings.save());
      const end = failureOf(error, clock.now());
      log.error({ run: runId, err: error }, "a part of the rolling walk failed");
      if (end.state === "stopped") {
        await fenced(sql, held.fence, (tx) => finishRun(tx, runId, end));
        onRunEnded(await existing(runId));
      } else {
        await noteTrouble(context, error);
        throw error;
      }
    } finally {
      stop.end();
    }
  }

  async function existing(id: string): Promise<Run> {
    const run = await findRun(sql, id);
    if (!run) throw new Error(`the run ${id} has vanished`);
    return run;
  }

  return { execute, step };
}

function failureOf(error: unknown, nowMs: number) {
  const isStopped = error instanceof AppError && error.code === "conflict";
  return {
    state: isStopped ? ("stopped" as const) : ("failed" as const),
    error: errorOf(error).message,
    nowMs,
  };
}
