import { backoffMs, sleep } from "../../lib/async.js";
import { createWakeableSleep } from "../../lib/loop.js";
import { createLease, LeaseLost } from "../ledger/lease.js";
import {
  findRun,
  finishRun,
  nextQueued,
  type OnProgress,
  queueAgain,
  queueRun,
  type Run,
  type RunMode,
  requeueInterrupted,
  unfinishedBackfill,
} from "../ledger/runs.js";
import { createExecutor, type ExecutorParts } from "./runner.js";
import { createLead, RETRY_MS } from "./scheduler.js";

export interface WalkOptions {
  signal: AbortSignal;
  allowPurge?: boolean;
  onProgress?: OnProgress;
}

/** Backfills and reconciles, by one process at a time: the one that holds the lease. */
export interface Walks {
  /**
   * Does one run and returns it ended: look at its `state`. Where another process holds the lease, that one does it, and
   * this one follows. A backfill resumes.
   */
  execute(mode: RunMode, options: WalkOptions): Promise<Run>;
  /** Queues a run for whoever holds the lease, and returns its id: that of the same one, where it is queued already. */
  enqueue(mode: RunMode): Promise<string>;
  /** A check is due now: something may have been missed. */
  checkSoon(): void;
  /** Waits for the lease, and does all that is to be done while it has it; until aborted. */
  run(signal: AbortSignal, onProgress?: OnProgress): Promise<void>;
}

export interface WalksParts extends ExecutorParts {
  claimUpstream: () => Promise<void>;
  intervalMs: number;
  fullIntervalMs: number;
}

/** How often those without the lease look whether they can have it, and how far the run has come that they wait for. */
const STANDBY_MS = 1000;
const FOLLOW_MS = 250;

const INTERRUPTED = "It was interrupted.";

export function createWalks(parts: WalksParts): Walks {
  const { clock, log, completeness, claimUpstream, intervalMs, fullIntervalMs } = parts;
  const { sql } = parts.primary;
  const lease = createLease({ sql, log });
  const executor = createExecutor(parts);
  const lead = createLead({
    sql,
    clock,
    log,
    completeness,
    executor,
    claimUpstream,
    intervalMs,
    fullIntervalMs,
  });
  let leads = false;
  let checkWanted = false;
  const pause = createWakeableSleep();

  async function execute(mode: RunMode, options: WalkOptions): Promise<Run> {
    let { id, isNew } = await queued(mode, options.allowPurge ?? false);
    try {
      for (;;) {
        const run = (await serveUntil(id, options)) ?? (await findRun(sql, id));
        if (!run) throw new Error(`the run ${id} has vanished`);
        if (run.state !== "queued" && run.state !== "running") {
          if (isNew || run.error !== INTERRUPTED) return run;
          // Whose it was has left, and we have not.
          ({ id, isNew } = await queued(mode, options.allowPurge ?? false));
          continue;
        }
        options.onProgress?.({ phase: "users", done: run.users.seen, total: run.users.expected });
        await sleep(FOLLOW_MS, options.signal);
      }
    } catch (error) {
      // Whoever asked for it has left. A backfill is gone on with; anything else was for nobody but them.
      if (options.signal.aborted && mode !== "backfill" && isNew) {
        const end = { state: "failed", error: INTERRUPTED, nowMs: clock.now() } as const;
        await finishRun(sql, id, end).catch(() => {});
      }
      throw error;
    }
  }

  async function queued(mode: RunMode, allowPurge: boolean): Promise<{ id: string; isNew: boolean }> {
    const resumed = mode === "backfill" ? await unfinishedBackfill(sql) : null;
    if (!resumed) return queueRun(sql, mode, clock.now(), { allowPurge });
    await queueAgain(sql, resumed);
    return { id: resumed, isNew: true };
  }

  /** Null: another process holds the lease. */
  async function serveUntil(id: string, { signal, onProgress }: WalkOptions): Promise<Run | null> {
    const held = await lease.acquire();
    if (!held) return null;
    try {
      await requeueInterrupted(sql, clock.now());
      for (let next = await nextQueued(sql); next; next = await nextQueued(sql)) {
        const isAsked = next.id === id && onProgress;
        const run = await executor.execute(held, next, { signal, ...(isAsked && { onProgress }) });
        if (run.id === id) return run;
      }
      return null;
    } finally {
      await held.release();
    }
  }

  async function enqueue(mode: RunMode): Promise<string> {
    const { id } = await queueRun(sql, mode, clock.now());
    lead.wake();
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
        if (checkWanted) lead.checkSoon();
        checkWanted = false;
        await lead.run(held, AbortSignal.any([signal, held.signal]), onProgress).finally(() => {
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
    if (leads) lead.checkSoon();
    else pause.wake();
  }

  return { execute, enqueue, checkSoon, run };
}
