import { AppError } from "./errors.js";
import { createTally } from "./tally.js";

/** For whom work is done: the API key it counts for, and a signal that aborts when the caller has gone. */
export interface Asker {
  key: string;
  signal?: AbortSignal;
}

/** For work of the mirror itself, or of a command. */
export const OURSELVES: Asker = { key: "" };

/** Limits how much work goes on at a time. The number that waits is bounded, and no key can take the places of the others. */
export interface Shares {
  /**
   * Rejects with `overloaded` when too many wait or the wait gets too long, and with `bad_request` when the asker goes away
   * while waiting. In these cases the work was never begun.
   */
  run<T>(asker: Asker, work: () => Promise<T>): Promise<T>;
  /** How much goes on or waits. */
  wanted(): number;
}

export interface SharesOptions {
  /** How much work goes on at a time. */
  width: number;
  /** How much of it for one key. Fewer than all keep a place for others while one key has long work. */
  mostOfOneKey?: number;
  mostWaiting: number;
  longestWaitMs: number;
}

interface Waiter {
  enter: () => void;
  refuse: (reason: AppError) => void;
}

/** Keys take turns in a circle. Within a key it is first come, first served. */
export function createShares(options: SharesOptions): Shares {
  const { width, mostWaiting, longestWaitMs, mostOfOneKey = width } = options;
  /** Only keys for which somebody waits, in the order of their turns. */
  const queues = new Map<string, Waiter[]>();
  let waiting = 0;
  let inside = 0;
  /** How much of what goes on is whose. */
  const ofKeys = createTally();

  const mayEnter = (key: string) => ofKeys.of(key) < mostOfOneKey;

  function place(key: string, waiter: Waiter): void {
    const own = queues.get(key);
    if (own) own.push(waiter);
    else queues.set(key, [waiter]);
    waiting++;
  }

  function leave(key: string, waiter: Waiter): void {
    const own = queues.get(key) ?? [];
    const at = own.indexOf(waiter);
    if (at === -1) return;
    own.splice(at, 1);
    if (own.length === 0) queues.delete(key);
    waiting--;
  }

  /** Takes a place from the key with the most that wait, for a key with fewer. False when no key has enough more. */
  function makeRoom(key: string): boolean {
    let most: [string, Waiter[]] | null = null;
    for (const queue of queues) if (!most || queue[1].length > most[1].length) most = queue;
    const newest = most?.[1].at(-1);
    if (!most || !newest || most[1].length <= (queues.get(key)?.length ?? 0) + 1) return false;
    leave(most[0], newest);
    newest.refuse(overloaded());
    return true;
  }

  /** Hands the place of this key's work over. */
  function next(left: string): void {
    ofKeys.add(left, -1);
    for (const [key, own] of queues) {
      const [first] = own;
      if (!first || !mayEnter(key)) continue;
      leave(key, first);
      // The key moves to the end of the circle.
      if (queues.delete(key)) queues.set(key, own);
      ofKeys.add(key, 1);
      first.enter();
      return;
    }
    inside--;
  }

  function turn({ key, signal }: Asker): Promise<void> {
    return new Promise((resolve, reject) => {
      if (waiting >= mostWaiting && !makeRoom(key)) return reject(overloaded());
      const timer = setTimeout(() => giveUp(overloaded()), longestWaitMs);
      const waiter: Waiter = {
        enter: () => settle(resolve),
        refuse: (reason) => settle(() => reject(reason)),
      };
      function giveUp(reason: AppError) {
        leave(key, waiter);
        waiter.refuse(reason);
      }
      const onAbort = () => giveUp(gone());
      function settle(end: () => void) {
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
        end();
      }
      signal?.addEventListener("abort", onAbort, { once: true });
      place(key, waiter);
    });
  }

  return {
    async run(asker, work) {
      if (asker.signal?.aborted) throw gone();
      if (inside >= width || !mayEnter(asker.key)) await turn(asker);
      else {
        inside++;
        ofKeys.add(asker.key, 1);
      }
      try {
        return await work();
      } finally {
        next(asker.key);
      }
    },
    wanted: () => inside + waiting,
  };
}

/** More is asked for than can be done: it is better to say so at once than to let the caller wait. */
export const overloaded = () =>
  new AppError("overloaded", "The mirror has more to do than it can.", {
    longMessage: "Too many requests of this kind wait already. Try again in a moment.",
  });

/** The caller has gone, so nobody reads this answer. */
export const gone = () => new AppError("bad_request", "The caller went away before the answer.");
