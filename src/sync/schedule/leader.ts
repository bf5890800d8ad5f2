import { backoffMs, sleep } from "../../lib/async.js";
import { createWakeableSleep } from "../../lib/loop.js";
import { createLease, LeaseLost } from "../ledger/lease.js";
import { kindOf, type RunMode } from "../ledger/run-kinds.js";
import {
  findRun,
  finishRun,
  nextQueued,
  type OnProgress,
  queueAgain,
  queueRun,
  type Run,
  requeueInterrupted,
  unfinishedBackfill,
} from "../ledger/runs.js";
import { createRunner, type RunnerDeps } from "./runner.js";
import { createScheduler, RETRY_MS } from "./scheduler.js";
import { createSweeper } from "./sweeper.js";

export interface RequestOptions {
  signal: AbortSignal;
  allowPurge?: boolean;
  onProgress?: OnProgress;
}

/** Backfills and reconciles, by one process at a time: the one that holds the lease. */
export interface Leader {
  /**
   * Does one run to its end and returns it: its `state` tells how it ended. Where another process holds the lease, that
   * process does it, and this one waits. A backfill resumes.
   */
  execute(mode: RunMode, options: RequestOptions): Promise<Run>;
  /** Queues a run for the process that holds the lease, and returns its id. The same run is queued only once. */
  enqueue(mode: RunMode): Promise<string>;
  /** A check is due now: something may have been missed. */
  checkSoon(): void;
  /** Waits for the lease, and does all that is to be done while it has it; until aborted. */
  run(signal: AbortSignal, onProgress?: OnProgress): Promise<void>;
}

export interface LeaderDeps extends RunnerDeps {
  claimUpstream: () => Promise<void>;
  intervalMs: number;
  fullIntervalMs: number;
}

/** How often a process without the lease tries to get it, and asks how far the run has come that it waits for. */
const STANDBY_MS = 1000;
const FOLLOW_MS = 250;

const INTERRUPTED = "It was interrupted.";

export function createLeader(deps: LeaderDeps): Leader {
  const { clock, log, completeness, claimUpstream, intervalMs, fullIntervalMs } = deps;
  const { sql } = deps.primary;
  const lease = createLease({ sql, log });
  const runner = createRunner(deps);
  const scheduler = createScheduler({
    sql,
    clock,
    log,
    completeness,
    runner,
    sweeper: createSweeper({ sql, clock, api: deps.api, runner, lagMs: deps.lagMs, pauseMs: RETRY_MS }),
    claimUpstream,
    intervalMs,
    fullIntervalMs,
  });
  let leads = false;
  let checkWanted = false;
  const pause = createWakeableSleep();

  async function execute(mode: RunMode, options: RequestOptions): Promise<Run> {
    let { id, isNew } = await queued(mode, options.allowPurge ?? false);
    try {
      for (;;) {
        const run = (await serveUntil(id, options)) ?? (await findRun(sql, id));
        if (!run) throw new Error(`the run ${id} has vanished`);
        if (run.state !== "queued" && run.state !== "running") {
          if (isNew || run.error !== INTERRUPTED) return run;
          // The process that had asked for this run left and ended it; this one still wants it.
          ({ id, isNew } = await queued(mode, options.allowPurge ?? false));
          continue;
        }
        options.onProgress?.({ phase: "users", done: run.users.seen, total: run.users.expected });
        await sleep(FOLLOW_MS, options.signal);
      }
    } catch (error) {
      // The caller has left. A backfill is worth going on with; any other run was only for that caller.
      if (options.signal.aborted && kindOf(mode).task !== "fill" && isNew) {
        const end = { state: "failed", error: INTERRUPTED, nowMs: clock.now() } as const;
        await finishRun(sql, id, end).catch(() => {});
      }
      throw error;
    }
  }

  async function queued(mode: RunMode, allowPurge: boolean): Promise<{ id: string; isNew: boolean }> {
    const resumed = kindOf(mode).task === "fill" ? await unfinishedBackfill(sql) : null;
    if (!resumed) return queueRun(sql, mode, clock.now(), { allowPurge });
    await queueAgain(sql, resumed);
    return { id: resumed, isNew: true };
  }

  /** Null: another process holds the lease. */
  async function serveUntil(id: string, { signal, onProgress }: RequestOptions): Promise<Run | null> {
    const held = await lease.acquire();
    if (!held) return null;
    try {
      await requeueInterrupted(sql, clock.now());
      for (let next = await nextQueued(sql); next; next = await nextQueued(sql)) {
        const isAsked = next.id === id && onProgress;
        const run = await runner.execute(held, next, { signal, ...(isAsked && { onProgress }) });
        if (run.id === id) return run;
      }
      return null;
    } finally {
      await held.release();
    }
  }

  async function enqueue(mode: RunMode): Promise<string> {
    const { id } = await queueRun(sql, mode, clock.now());
    scheduler.wake();
    return id;
  }

  async function run(signal: AbortSignal, onProgress?: OnProgress): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      try {
        const held = await lease.acquire();
        failures = 0;
        if (!held) {
          await standBy(signal);
          continue;
        }
        log.info({ epoch: held.epoch }, "this process walks");
        leads = true;
        if (checkWanted) scheduler.checkSoon();
        checkWanted = false;
        await scheduler.run(held, AbortSignal.any([signal, held.signal]), onProgress).finally(() => {
          leads = false;
          return held.release();
        });
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof LeaseLost) log.warn({ reason: error.message }, "this process walks no more");
        // Postgres is away: nothing is lost, the next round finds out where things stand.
        else log.warn({ err: error }, "walks pause until the database answers");
        await pause.sleep(backoffMs(failures++, RETRY_MS.first, RETRY_MS.longest), signal);
      }
    }
  }

  async function standBy(signal: AbortSignal): Promise<void> {
    if (checkWanted) await queueRun(sql, "incremental", clock.now());
    checkWanted = false;
    await pause.sleep(STANDBY_MS, signal);
  }

  function checkSoon(): void {
    checkWanted = !leads;
    if (leads) scheduler.checkSoon();
    else pause.wake();
  }

  return { execute, enqueue, checkSoon, run };
}
