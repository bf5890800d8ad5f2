import { AppError } from "../lib/errors.js";

/** What one key may spend on reads, so that others find something left. */
export interface ReaderLimits {
  /** Reads that one key may start within `windowMs`, and have waiting. */
  mostPerKey: number;
  windowMs: number;
}

/** Reads in the request queue, by the key on whose behalf they are made. The keys take turns. */
export interface Readers<Waiter> {
  readonly length: number;
  /** Throws `rate_limited` where the key has had its share, or too many wait: nobody is kept waiting for nothing. */
  place(key: string, waiter: Waiter): void;
  /** The next whose turn it is; it counts as started. */
  shift(): Waiter | undefined;
  remove(key: string, waiter: Waiter): void;
}

/** The mirror's own reads, which are few. */
export const OWN = "";

/** They have the patience of whoever asked, which is 5 seconds. */
const MOST_WAITING = 100;
const MOST_WAITING_PER_KEY = 50;

export function createReaders<Waiter>(
  { mostPerKey, windowMs }: ReaderLimits,
  now: () => number,
): Readers<Waiter> {
  /** Only keys of whom something waits, in the order of their turns. */
  const queues = new Map<string, Waiter[]>();
  /** When each key's reads of the window were started. */
  const started = new Map<string, number[]>();
  let length = 0;

  function forgetOld(): void {
    for (const [key, times] of started) {
      const recent = times.filter((atMs) => atMs > now() - windowMs);
      if (recent.length > 0) started.set(key, recent);
      else started.delete(key);
    }
  }

  function remove(key: string, waiter: Waiter): void {
    const own = queues.get(key) ?? [];
    const at = own.indexOf(waiter);
    if (at === -1) return;
    own.splice(at, 1);
    if (own.length === 0) queues.delete(key);
    length--;
  }

  return {
    get length() {
      return length;
    },
    place(key, waiter) {
      forgetOld();
      const own = queues.get(key) ?? [];
      const had = (started.get(key)?.length ?? 0) + own.length;
      const isTooMany = length >= MOST_WAITING || own.length >= MOST_WAITING_PER_KEY || had >= mostPerKey;
      if (key !== OWN && isTooMany) throw new AppError("rate_limited", "Reads have spent their share.");
      own.push(waiter);
      queues.set(key, own);
      length++;
    },
    shift() {
      const [next] = queues;
      if (!next) return undefined;
      const [key, own] = next;
      const [waiter] = own;
      if (waiter === undefined) return undefined;
      remove(key, waiter);
      // To the end of the circle.
      if (queues.delete(key)) queues.set(key, own);
      started.set(key, [...(started.get(key) ?? []), now()]);
      return waiter;
    },
    remove,
  };
}
