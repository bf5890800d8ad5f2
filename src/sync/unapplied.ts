import { backoffMs, sleep } from "../lib/async.js";
import type { Logger } from "../observability/logger.js";

/** What Clerk has done and the mirror could not apply yet, in this process. */
export interface Unapplied {
  /** Keeps `work`, which applies it and is safe to repeat, until it has succeeded once. */
  keep(userIds: readonly string[], work: () => Promise<unknown>): void;
  /** Whether what is stored about this user is known to be old: Clerk must be asked instead. */
  concerns(userId: string): boolean;
  /** Tries everything once; how many failed. */
  retry(): Promise<number>;
  /** Retries until aborted, less and less often while something fails. */
  run(signal: AbortSignal): Promise<void>;
}

interface Kept {
  userIds: readonly string[];
  work: () => Promise<unknown>;
}

const RETRY_MS = 500;
/** What is kept may have to ask Clerk, whom every half a second would keep at its limit. */
const SLOWEST_RETRY_MS = 30_000;
/** Beyond this many the oldest are given up: the next reconcile finds them. */
const MOST_KEPT = 1000;

export function createUnapplied(log: Logger): Unapplied {
  let kept: Kept[] = [];

  async function retry(): Promise<number> {
    let failed = 0;
    for (const one of kept) {
      try {
        await one.work();
        kept = kept.filter((other) => other !== one);
      } catch (error) {
        failed++;
        log.debug({ reason: error instanceof Error ? error.message : String(error) }, "still not applied");
      }
    }
    return failed;
  }

  return {
    keep(userIds, work) {
      kept = [...kept.slice(1 - MOST_KEPT), { userIds, work }];
    },
    concerns: (userId) => kept.some(({ userIds }) => userIds.includes(userId)),
    retry,
    async run(signal) {
      let failures = 0;
      while (!signal.aborted) {
        await sleep(backoffMs(failures, RETRY_MS, SLOWEST_RETRY_MS), signal).catch(() => {});
        if (signal.aborted) return;
        failures = (await retry()) > 0 ? failures + 1 : 0;
      }
    },
  };
}
