import type { Clock } from "../../db/connection/clock.js";
import type { Sql } from "../../db/connection/sql.js";
import { backoffMs } from "../../lib/async.js";
import { createWakeableSleep } from "../../lib/loop.js";
import type { Logger } from "../../observability/logger.js";
import { fenced, type HeldLease } from "../ledger/lease.js";
import type { Completeness } from "../ledger/proof.js";
import { kindOf, type RunMode } from "../ledger/run-kinds.js";
import {
  createRun,
  nextQueued,
  type OnProgress,
  requeueInterrupted,
  startRun,
  unfinishedBackfill,
} from "../ledger/runs.js";
import { currentRolling, lastFullStart, type RollingRun } from "../reconcile/rolling.js";
import type { Runner } from "./runner.js";
import type { Sweeper } from "./sweeper.js";

export interface SchedulerDeps {
  sql: Sql;
  clock: Pick<Clock, "now">;
  log: Logger;
  completeness: Completeness;
  runner: Runner;
  sweeper: Sweeper;
  /** Notes which Clerk's users a backfill brings: the mirror may have been emptied since the start, and the note with it. */
  claimUpstream: () => Promise<void>;
  /** How often checks are due, and within which time everything is read again; 0: only on demand. */
  intervalMs: number;
  fullIntervalMs: number;
}

/** Decides what the process that holds the lease does next. */
export interface Scheduler {
  /** Backfills an empty mirror, then does what is queued and what is due, until aborted; rejects when something fails. */
  run(held: HeldLease, signal: AbortSignal, onProgress?: OnProgress): Promise<void>;
  /** A check is due now: something may have been missed. */
  checkSoon(): void;
  /** Something was queued. */
  wake(): void;
}

/** What failed is tried again soon, and less and less often while it fails. */
export const RETRY_MS = { first: 1000, longest: 60_000 };
/** A run on demand may have moved the date meanwhile, or the mirror may have been emptied. */
const LONGEST_NAP_MS = 60_000;
/** Another process may queue a run at any time. */
const POLL_MS = 1000;

export function createScheduler(deps: SchedulerDeps): Scheduler {
  const { sql, clock, log, completeness, runner, sweeper, claimUpstream, intervalMs, fullIntervalMs } = deps;
  const pause = createWakeableSleep();
  /** By the monotonic clock, like all intervals here: a wall clock that is set back must put nothing off. */
  let checkAtMs = Number.POSITIVE_INFINITY;
  let failedChecks = 0;
  /** The check that a dry run lets go first. */
  let checking: Promise<void> | null = null;
  /** Parts of a rolling run that failed in a row, and when the next is worth trying. */
  let rolling = { failures: 0, notBeforeMs: 0 };

  async function run(held: HeldLease, signal: AbortSignal, onProgress?: OnProgress): Promise<void> {
    await fenced(sql, held.fence, (tx) => requeueInterrupted(tx, clock.now()));
    await completeness.refresh();
    // Nobody has checked since the holder before this one stopped.
    if (completeness.isBackfilled() && intervalMs > 0) checkSoon();
    while (!signal.aborted) {
      if (completeness.isBackfilled()) await serve(held, signal);
      else await backfill(held, signal, onProgress);
    }
  }

  async function backfill(held: HeldLease, signal: AbortSignal, onProgress?: OnProgress): Promise<void> {
    await claimUpstream();
    for (let attempt = 0; ; attempt++) {
      const id = (await unfinishedBackfill(sql)) ?? (await createRun(sql, "backfill", clock.now()));
      const options = { signal, ...(onProgress && { onProgress }) };
      const { state } = await runner.execute(held, { id, mode: "backfill", allowPurge: false }, options);
      if (state === "succeeded") break;
      // What it waits for may be back before its pause is over: whoever sees that wakes it.
      await pause.sleep(backoffMs(attempt, RETRY_MS.first, RETRY_MS.longest), signal);
      signal.throwIfAborted();
    }
    checkAtMs = nextCheck();
  }

  /** What comes first of all that is to be done now; or waits. Somebody may empty the mirror while it runs. */
  async function serve(held: HeldLease, signal: AbortSignal): Promise<void> {
    // A midnight waits for nobody.
    if (await sweeper.sweepIfDue(held, { signal, beforeWindow: () => checkIfDue(held, signal) })) return;
    const queued = await nextQueued(sql);
    const isDue = performance.now() >= checkAtMs;
    // A due check goes before a dry run: that one takes minutes, and repairs nothing.
    if (queued && !(isDue && kindOf(queued.mode).dryRun)) {
      const beforeWindow = () => between(queued.mode, held, signal);
      return void (await runner.execute(held, queued, { signal, beforeWindow }));
    }
    if (isDue) return check(held, signal);
    if (fullIntervalMs > 0 && performance.now() >= rolling.notBeforeMs) {
      const current = await dueRolling();
      if (current) return step(held, current, signal);
    }
    await pause.sleep(Math.min(POLL_MS, checkAtMs - performance.now()), signal);
  }

  /** What may go on beside a run: a sweep, which only tells who was active, and beside one that repairs nothing a check too. */
  async function between(mode: RunMode, held: HeldLease, signal: AbortSignal): Promise<void> {
    const { dryRun, task } = kindOf(mode);
    if (dryRun || task === "sweep") await checkIfDue(held, signal);
    if (task !== "sweep") await sweeper.sweepIfDue(held, { signal });
  }

  /** Does the check that is due, once, however many windows of a dry run wait for it; no check runs beside another. */
  function checkIfDue(held: HeldLease, signal: AbortSignal): Promise<void> {
    if (checking) return checking;
    if (performance.now() < checkAtMs) return Promise.resolve();
    checking = check(held, signal).finally(() => {
      checking = null;
    });
    return checking;
  }

  /** A check that fails is tried again soon, not after a whole interval: it may have to find what an outage kept away. */
  async function check(held: HeldLease, signal: AbortSignal): Promise<void> {
    // A check that is asked for while this one runs comes after it: this one may be past what it should see.
    checkAtMs = Number.POSITIVE_INFINITY;
    let failed = true;
    try {
      const id = await createRun(sql, "incremental", clock.now());
      const queued = { id, mode: "incremental", allowPurge: false } as const;
      const beforeWindow = () => between("incremental", held, signal);
      failed = (await runner.execute(held, queued, { signal, beforeWindow })).state === "failed";
    } finally {
      const next = failed
        ? performance.now() + backoffMs(failedChecks, RETRY_MS.first, RETRY_MS.longest)
        : nextCheck();
      failedChecks = failed ? failedChecks + 1 : 0;
      checkAtMs = Math.min(checkAtMs, next);
    }
  }

  /** The rolling run whose next part is due now; a new one when the last was begun an interval ago. */
  async function dueRolling(): Promise<RollingRun | null> {
    const now = clock.now();
    const current = await currentRolling(sql, fullIntervalMs, now);
    const dueMs = current?.dueMs ?? (await lastFullStart(sql, now)) + fullIntervalMs;
    if (now < dueMs) {
      rolling.notBeforeMs = performance.now() + Math.min(dueMs - now, LONGEST_NAP_MS);
      return null;
    }
    if (current) return current;
    const id = await createRun(sql, "full", now, { pace: "spread" });
    await startRun(sql, id, now);
    return { id, dueMs: now };
  }

  async function step(held: HeldLease, { id }: RollingRun, signal: AbortSignal): Promise<void> {
    try {
      await runner.step(held, id, { signal });
      rolling = { failures: 0, notBeforeMs: 0 };
    } catch (error) {
      if (signal.aborted || held.signal.aborted) throw error;
      const waitMs = backoffMs(rolling.failures, RETRY_MS.first, RETRY_MS.longest);
      rolling = { failures: rolling.failures + 1, notBeforeMs: performance.now() + waitMs };
      log.warn({ run: id, waitMs: Math.round(waitMs) }, "the rolling walk waits and tries again");
    }
  }

  function checkSoon(): void {
    checkAtMs = performance.now();
    pause.wake();
  }

  const nextCheck = () => (intervalMs === 0 ? Number.POSITIVE_INFINITY : performance.now() + intervalMs);

  return { run, checkSoon, wake: pause.wake };
}
