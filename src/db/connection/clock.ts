import type { Sql } from "./sql.js";

/** The primary's clock. All processes date their observations by it, so that their own clocks needn't agree. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Measures the difference between the two clocks anew. */
  refresh(): Promise<void>;
  stop(): void;
}

/** Within this time our clock and the primary's drift apart by a millisecond or two. */
const REFRESH_MS = 30_000;

/**
 * Starts with our own clock: call `refresh` once before you rely on it. While Postgres is away the difference stays
 * as it was.
 */
export function createClock(sql: Sql, refreshMs = REFRESH_MS): Clock {
  // Counts from a clock that nobody sets, because our own wall clock may jump.
  let offsetMs = Date.now() - performance.now();

  async function refresh(): Promise<void> {
    const before = performance.now();
    const [row] = await sql<
      { now: number }[]
    >`select (extract(epoch from clock_timestamp()) * 1000)::float8 as now`;
    // The answer was made somewhere between sending and receiving: the middle is wrong by half the round trip at
    // most.
    if (row) offsetMs = row.now - (before + performance.now()) / 2;
  }

  const timer = setInterval(() => void refresh().catch(() => {}), refreshMs);
  timer.unref();
  return {
    now: () => Math.trunc(performance.now() + offsetMs),
    refresh,
    stop: () => clearInterval(timer),
  };
}
