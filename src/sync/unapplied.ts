import { backoffMs, sleep } from "../lib/async.js";
import { AppError } from "../lib/errors.js";
import type { Logger } from "../observability/logger.js";

/** What Clerk has done and the mirror could not apply yet, in this process. */
export interface Unapplied {
  /** Keeps `work`, which applies it and is safe to repeat, until it has succeeded once. */
  keep(userIds: readonly string[], work: () => Promise<unknown>): void;
  /** Whether what is stored about this user is known to be old: Clerk must be asked instead. */
  concerns(userId: string): boolean;
  /** Tries everything once. */
  retry(): Promise<void>;
  /** Retries until aborted, each less and less often while it fails. */
  run(signal: AbortSignal): Promise<void>;
}

interface Kept {
  userIds: readonly string[];
  work: () => Promise<unknown>;
  failures: number;
  notBeforeMs: number;
}

const RETRY_MS = 500;
/** A row that another session holds may come free at any moment, and looking costs little. */
const SLOWEST_LOCKED_MS = 3000;
/** What is kept may have to ask Clerk, whom every half a second would keep at its limit. */
const SLOWEST_RETRY_MS = 30_000;
/** Beyond this many the oldest are given up: the next reconcile finds them. */
const MOST_KEPT = 1000;

export function createUnapplied(log: Logger): Unapplied {
  let kept: Kept[] = [];

  async function attempt(one: Kept): Promise<void> {
    try {
      await one.work();
      kept = kept.filter((other) => other !== one);
    } catch (error) {
      log.debug({ reason: error instanceof Error ? error.message : String(error) }, "still not applied");
      const isLocked = error instanceof AppError && error.code === "database_unavailable";
      const slowestMs = isLocked ? SLOWEST_LOCKED_MS : SLOWEST_RETRY_MS;
      one.notBeforeMs = performance.now() + backoffMs(one.failures++, RETRY_MS, slowestMs);
    }
  }

  return {
    keep(userIds, work) {
      kept = [...kept.slice(1 - MOST_KEPT), { userIds, work, failures: 0, notBeforeMs: 0 }];
    },
    concerns: (userId) => kept.some(({ userIds }) => userIds.includes(userId)),
    async retry() {
      for (const one of kept) await attempt(one);
    },
    async run(signal) {
      while (!signal.aborted) {
        await sleep(RETRY_MS, signal).catch(() => {});
        for (const one of kept) {
          if (!signal.aborted && one.notBeforeMs <= performance.now()) await attempt(one);
        }
      }
    },
  };
}
