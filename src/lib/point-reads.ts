import { overloaded } from "./shares.js";

/** Reads rows by key. Reads that are asked for at the same time become one query. */
export type PointReads<T> = (key: string) => Promise<T | null>;

interface Waiting<T> {
  key: string;
  resolve: (found: T | null) => void;
  reject: (error: unknown) => void;
}

/** With 64 callers, two runs of 32 keep Postgres and this process busy at the same time; with one of 64 they take turns. */
const RUNS_AT_ONCE = 2;
const MOST_PER_RUN = 32;
/** About a quarter of a second's work. Callers beyond it are told to try again. */
const MOST_WAITING = 5000;

/**
 * Keys that are asked for while both runs are under way are read together in the next run. So each caller sees the state
 * at or after its call, nobody waits for a timer, and a read costs less the more there are. Rejects with `overloaded` when
 * too many wait.
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
