import { AppError } from "../../lib/errors.js";
import { fenced, type HeldLease } from "../ledger/lease.js";
import type { Completeness } from "../ledger/proof.js";
import { findRun, finishRun, type OnProgress, type QueuedRun, type Run, startRun } from "../ledger/runs.js";
import { runBackfill } from "../reconcile/backfill.js";
import { runIncremental } from "../reconcile/check.js";
import { runFull } from "../reconcile/full.js";
import { noteTrouble, stepRolling } from "../reconcile/rolling.js";
import { beginWork, type ReconcileParts, type RunWork } from "../reconcile/run-context.js";

export interface ExecutorParts extends ReconcileParts {
  completeness: Completeness;
}

export interface ExecuteOptions {
  signal: AbortSignal;
  onProgress?: OnProgress;
}

/** Does runs, for whoever holds the lease. */
export interface Executor {
  /**
   * Does one run to its end and returns it: look at its `state`. Rejects when it is stopped or the lease is lost, and
   * then the run is left as it stands for whoever comes next.
   */
  execute(held: HeldLease, run: QueuedRun, options: ExecuteOptions): Promise<Run>;
  /** Does the next part of a rolling run. Rejects when that failed; the part can be tried again. */
  step(held: HeldLease, runId: string, options: ExecuteOptions): Promise<void>;
}

export function createExecutor(parts: ExecutorParts): Executor {
  const { clock, log, completeness } = parts;
  const { sql } = parts.primary;

  function begin(held: HeldLease, run: Run, allowPurge: boolean, options: ExecuteOptions): RunWork {
    const signal = AbortSignal.any([options.signal, held.signal]);
    const { onProgress = () => {} } = options;
    return beginWork(parts, run, {
      ...{ mode: run.mode, allowPurge, signal, onProgress, fence: held.fence },
    });
  }

  async function execute(held: HeldLease, queued: QueuedRun, options: ExecuteOptions): Promise<Run> {
    const { id, mode } = queued;
    await fenced(sql, held.fence, (tx) => startRun(tx, id, clock.now()));
    const work = begin(held, await existing(id), queued.allowPurge, options);
    log.info({ run: id, mode }, "walk started");
    let end: Parameters<typeof finishRun>[2];
    try {
      await perform(work);
      end = { state: "succeeded", error: null, nowMs: clock.now() };
    } catch (error) {
      // Stopping is no failure: whoever comes next goes on.
      work.signal.throwIfAborted();
      end = failureOf(error, clock.now());
      log.error({ run: id, mode, err: error }, `walk ${end.state}`);
    }
    await fenced(sql, held.fence, (tx) => finishRun(tx, id, end));
    await completeness.refresh();
    const run = await existing(id);
    const { state, users, differences, requests } = run;
    log.info({ run: id, mode, state, users: users.seen, requests, differences }, "walk ended");
    return run;
  }

  async function perform(work: RunWork): Promise<void> {
    if (work.mode === "backfill") return runBackfill(work);
    if (work.mode === "full" || work.mode === "dry_run") return runFull(work);
    if ((await runIncremental(work)) !== "too_much") return;
    log.info({ run: work.runId }, "a check becomes a walk of everything");
    const mode = work.dryRun ? "dry_run" : "full";
    await runFull({ ...work, mode, call: { ...work.call, priority: "walk" } });
  }

  async function step(held: HeldLease, runId: string, options: ExecuteOptions): Promise<void> {
    const work = begin(held, await existing(runId), false, options);
    try {
      if (!(await stepRolling(work))) return;
      await fenced(sql, held.fence, (tx) =>
        finishRun(tx, runId, { state: "succeeded", error: null, nowMs: clock.now() }),
      );
      log.info({ run: runId }, "everything was verified");
    } catch (error) {
      work.signal.throwIfAborted();
      const end = failureOf(error, clock.now());
      log.error({ run: runId, err: error }, "a part of the rolling walk failed");
      if (end.state === "stopped") await fenced(sql, held.fence, (tx) => finishRun(tx, runId, end));
      else {
        await noteTrouble(work, error);
        throw error;
      }
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
  const message = error instanceof Error ? error.message : String(error);
  return { state: isStopped ? ("stopped" as const) : ("failed" as const), error: message, nowMs };
}
