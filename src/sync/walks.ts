import { backoffMs, sleep } from "../lib/async.js";
import { AppError } from "../lib/errors.js";
import type { Completeness } from "./completeness.js";
import { runIncremental } from "./incremental.js";
import { type ReconcileParts, type RunOptions, runWalk } from "./reconcile.js";
import {
  createRun,
  failInterruptedRuns,
  findRun,
  finishRun,
  type OnProgress,
  type Run,
  type RunMode,
  startRun,
  unfinishedBackfill,
} from "./runs.js";

export interface WalkOptions {
  signal: AbortSignal;
  allowPurge?: boolean;
  onProgress?: OnProgress;
}

/** Backfills and reconciles, one at a time in this process. */
export interface Walks {
  /** Runs one now, behind those that wait, and returns it ended: look at its `state`. A backfill resumes. */
  execute(mode: RunMode, options: WalkOptions): Promise<Run>;
  /** Queues a run for `run` to execute and returns its id. */
  enqueue(mode: RunMode): Promise<string>;
  /** The next incremental run is due now: something may have been missed. */
  checkSoon(): void;
  /** Backfills an empty mirror, then executes what is queued and the runs of each interval, until aborted. */
  run(signal: AbortSignal, onProgress?: OnProgress): Promise<void>;
}

export interface WalksParts extends ReconcileParts {
  completeness: Completeness;
  /** Notes whose users a backfill brings: the mirror may have been emptied since the start, and have forgotten. */
  claimUpstream: () => Promise<void>;
  /** Of incremental and of full runs; 0: only on demand. */
  intervalMs: number;
  fullIntervalMs: number;
}

/** What failed is tried again soon, but not at once for ever. */
const RETRY_MS = { first: 1000, longest: 60_000 };

export function createWalks(parts: WalksParts): Walks {
  const { clock, log, completeness, claimUpstream, intervalMs, fullIntervalMs } = parts;
  const { sql } = parts.database;
  const queue: { id: string; mode: RunMode }[] = [];
  let wake = () => {};
  /** A difference of counts may be two moments of a busy Clerk; one that stays is a user too many or too few. */
  let countsDiffered = false;
  let last: Promise<unknown> = Promise.resolve();
  const due = { incremental: nextDue(intervalMs), full: nextDue(fullIntervalMs) };
  let failedChecks = 0;

  /** One walk after the other: two would ask Clerk the same things twice. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = last.then(work, work);
    last = turn.catch(() => {});
    return turn;
  }

  async function walk(id: string, mode: RunMode, options: WalkOptions): Promise<Run> {
    const { signal, allowPurge = false, onProgress = () => {} } = options;
    await startRun(sql, id, clock.now());
    log.info({ run: id, mode }, "walk started");
    try {
      const run = { id, mode, allowPurge, signal, onProgress };
      await (mode === "incremental" ? check(run) : runWalk(parts, run));
      await finishRun(sql, id, { state: "succeeded", error: null, nowMs: clock.now() });
      await completeness.refresh();
    } catch (error) {
      // Stopping is no failure: a backfill goes on from its checkpoint at the next start.
      signal.throwIfAborted();
      const state = error instanceof AppError && error.code === "conflict" ? "stopped" : "failed";
      const message = error instanceof Error ? error.message : String(error);
      log.error({ run: id, mode, err: error }, `walk ${state}`);
      await finishRun(sql, id, { state, error: message, nowMs: clock.now() });
    }
    const run = await findRun(sql, id);
    if (!run) throw new Error(`the run ${id} has vanished`);
    log.info(
      { run: id, mode, state: run.state, users: run.users.seen, differences: run.differences },
      "walk ended",
    );
    return run;
  }

  /** What changed lately; and everything, where that is not enough. */
  async function check(run: RunOptions): Promise<void> {
    const end = await runIncremental(parts, run);
    const differedBefore = countsDiffered;
    countsDiffered = end === "counts_differ";
    if (end === "complete" || (end === "counts_differ" && !differedBefore)) return;
    log.info({ run: run.id, reason: end }, "an incremental run becomes a full one");
    await runWalk(parts, { ...run, mode: "full" });
    countsDiffered = false;
  }

  async function execute(mode: RunMode, options: WalkOptions): Promise<Run> {
    return inTurn(async () => {
      const resumed = mode === "backfill" ? await unfinishedBackfill(sql) : null;
      return walk(resumed ?? (await createRun(sql, mode, clock.now())), mode, options);
    });
  }

  async function enqueue(mode: RunMode): Promise<string> {
    const id = await createRun(sql, mode, clock.now());
    queue.push({ id, mode });
    wake();
    return id;
  }

  async function backfill(signal: AbortSignal, onProgress: OnProgress | undefined): Promise<void> {
    await claimUpstream();
    for (let attempt = 0; !signal.aborted; attempt++) {
      const run = await execute("backfill", { signal, ...(onProgress && { onProgress }) });
      if (run.state === "succeeded") return;
      await sleep(backoffMs(attempt, RETRY_MS.first, RETRY_MS.longest), signal);
    }
  }

  async function run(signal: AbortSignal, onProgress?: OnProgress): Promise<void> {
    let failures = 0;
    let isClean = false;
    while (!signal.aborted) {
      try {
        if (!isClean) await failInterruptedRuns(sql, clock.now());
        isClean = true;
        await completeness.refresh();
        failures = 0;
        if (!completeness.isBackfilled()) await backfill(signal, onProgress);
        await serveQueue(signal);
      } catch (error) {
        if (signal.aborted) return;
        // Postgres is away: nothing is lost, the next round finds out where things stand.
        log.warn({ err: error }, "walks pause until the database answers");
        await untilWoken(backoffMs(failures++, RETRY_MS.first, RETRY_MS.longest), signal);
      }
    }
  }

  /** Executes what is queued, and the runs that are due, until aborted or not backfilled any more. */
  async function serveQueue(signal: AbortSignal): Promise<void> {
    // Somebody may empty the mirror while it runs: then it is filled again.
    while (!signal.aborted && completeness.isBackfilled()) {
      const queued = queue.shift();
      if (queued) await inTurn(() => walk(queued.id, queued.mode, { signal }));
      else if (Date.now() >= due.full) {
        await execute("full", { signal });
        due.full = nextDue(fullIntervalMs);
      } else if (Date.now() >= due.incremental) {
        await checkWhenDue(signal);
      } else await untilWoken(Math.min(due.full, due.incremental) - Date.now(), signal);
    }
  }

  /** What a check would find may be what an outage kept away: one that fails isn't put off for a whole interval. */
  async function checkWhenDue(signal: AbortSignal): Promise<void> {
    // Whoever asks for a check while this one runs gets another.
    due.incremental = Number.POSITIVE_INFINITY;
    let failed = true;
    try {
      failed = (await execute("incremental", { signal })).state === "failed";
    } finally {
      const next = failed
        ? Date.now() + backoffMs(failedChecks, RETRY_MS.first, RETRY_MS.longest)
        : nextDue(intervalMs);
      failedChecks = failed ? failedChecks + 1 : 0;
      due.incremental = Math.min(due.incremental, next);
    }
  }

  function checkSoon(): void {
    due.incremental = Date.now();
    wake();
  }

  async function untilWoken(ms: number, signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    wake = () => woken.abort();
    // A longer timer would fire at once.
    await sleep(Math.min(ms, 2 ** 31 - 1), AbortSignal.any([signal, woken.signal])).catch(() => {});
  }

  return { execute, enqueue, checkSoon, run };
}

const nextDue = (afterMs: number) => (afterMs === 0 ? Number.POSITIVE_INFINITY : Date.now() + afterMs);
