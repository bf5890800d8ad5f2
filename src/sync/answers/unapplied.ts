import { backoffMs } from "../../lib/async.js";
import { AppError, errorOf } from "../../lib/errors.js";
import { createKeyCounts } from "../../lib/key-counts.js";
import { runLoop } from "../../lib/loop.js";
import type { Logger } from "../../observability/logger.js";

/** What Clerk has done and the mirror could not apply yet, in this process. */
export interface Unapplied {
  /**
   * Keeps `work`, which applies something and is safe to repeat, until it has succeeded once. `bytes` is how much it
   * holds in memory.
   */
  keep(userIds: readonly string[], work: () => Promise<unknown>, bytes?: number): void;
  /** Whether what is stored about this user is known to be old, so that Clerk must be asked instead. */
  concerns(userId: string): boolean;
  /** Tries everything once. */
  retry(): Promise<void>;
  /** Tries again until aborted, each less and less often while it fails. */
  run(signal: AbortSignal): Promise<void>;
}

interface Kept {
  userIds: readonly string[];
  work: () => Promise<unknown>;
  bytes: number;
  failures: number;
  notBeforeMs: number;
}

const RETRY_MS = 500;
/** A row that another session holds may become free at any moment, and looking costs little. */
const SLOWEST_LOCKED_MS = 3000;
/** Some of this work asks Clerk. Doing that every half second would keep it at its limit. */
const SLOWEST_RETRY_MS = 30_000;
/** Beyond this number, or this many bytes, the oldest are given up. The next reconcile finds them. */
const MOST_KEPT = 1000;
const MOST_BYTES = 64 * 1024 * 1024;

export function createUnapplied(log: Logger): Unapplied {
  const kept = new Set<Kept>();
  /** Every read asks this, so it must not go through everything that is kept. */
  const users = createKeyCounts();
  let bytes = 0;

  function forget(one: Kept): void {
    if (!kept.delete(one)) return;
    users.remove(one.userIds);
    bytes -= one.bytes;
  }

  async function attempt(one: Kept): Promise<void> {
    try {
      await one.work();
      forget(one);
    } catch (error) {
      log.debug({ reason: errorOf(error).message }, "still not applied");
      const isLocked = error instanceof AppError && error.code === "database_unavailable";
      const slowestMs = isLocked ? SLOWEST_LOCKED_MS : SLOWEST_RETRY_MS;
      one.notBeforeMs = performance.now() + backoffMs(one.failures++, RETRY_MS, slowestMs);
    }
  }

  async function retryDue(signal: AbortSignal): Promise<void> {
    for (const one of [...kept]) {
      if (!signal.aborted && one.notBeforeMs <= performance.now()) await attempt(one);
    }
  }

  return {
    keep(userIds, work, size = 0) {
      const one: Kept = { userIds, work, bytes: size, failures: 0, notBeforeMs: 0 };
      kept.add(one);
      users.add(userIds);
      bytes += size;
      for (const oldest of kept) {
        if (kept.size <= MOST_KEPT && (bytes <= MOST_BYTES || oldest === one)) break;
        forget(oldest);
      }
    },
    concerns: (userId) => users.has(userId),
    async retry() {
      for (const one of [...kept]) await attempt(one);
    },
    run: (signal) => runLoop({ signal, step: retryDue, startsWith: "pause", pauseMs: RETRY_MS }),
  };
}
