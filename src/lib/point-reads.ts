import { overloaded } from "./shares.js";

/** Reads rows by key, those together that are asked for at the same time. */
export type PointReads<T> = (key: string) => Promise<T | null>;

interface Waiting<T> {
  key: string;
  resolve: (found: T | null) => void;
  reject: (error: unknown) => void;
}

/** Two runs of half of what 64 callers ask keep Postgres and this process busy at once; one of all of it lets them take turns. */
const RUNS_AT_ONCE = 2;
const MOST_PER_RUN = 32;
/** A quarter of a second's worth: who comes behind so many is told to come again. */
const MOST_WAITING = 5000;

/**
 * What is asked for while the runs are under way goes into the next. So nobody reads what was true before he asked, nobody
 * waits for a timer, and the busier it gets the less a read costs. Rejects with `overloaded` where too many wait.
 */
export function createPointReads<T>(
  fetchMany: (keys: readonly string[]) => Promise<Map<string, T>>,
  { mostWaiting = MOST_WAITING } = {},
): PointReads<T> {
  let waiting: Waiting<T>[] = [];
  let running = 0;

  async function runAll(): Promise<void> {
    running++;
    while (waiting.length > 0) {
      const batch = waiting.slice(0, MOST_PER_RUN);
      waiting = waiting.slice(MOST_PER_RUN);
      try {
        const found = await fetchMany([...new Set(batch.map(({ key }) => key))]);
        for (const { key, resolve } of batch) resolve(found.get(key) ?? null);
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    running--;
  }

  return (key) =>
    new Promise((resolve, reject) => {
      if (waiting.length >= mostWaiting) return reject(overloaded());
      waiting.push({ key, resolve, reject });
      if (running < RUNS_AT_ONCE) void runAll();
    });
}
