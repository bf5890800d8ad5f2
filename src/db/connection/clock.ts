import type { Sql } from "./sql.js";

/** The primary's clock: what all processes date their observations by, so that their own clocks needn't agree. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Measures the offset anew. */
  refresh(): Promise<void>;
  stop(): void;
}

/** Our clock and the primary's drift apart by a millisecond or two in this time. */
const REFRESH_MS = 30_000;

/** Starts with our own clock; call `refresh` once before relying on it. While Postgres is away the offset stays. */
export function createClock(sql: Sql, refreshMs = REFRESH_MS): Clock {
  // From a clock that nobody sets: our own wall clock may jump.
  let offsetMs = Date.now() - performance.now();

  async function refresh(): Promise<void> {
    const before = performance.now();
    const [row] = await sql<
      { now: number }[]
    >`select (extract(epoch from clock_timestamp()) * 1000)::float8 as now`;
    // The answer was made somewhere between sending and receiving: halfway is wrong by half the round trip at most.
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
