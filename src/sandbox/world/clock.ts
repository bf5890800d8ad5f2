/** The sandbox's clock, in milliseconds since 1970. */
export interface SandboxClock {
  now(): number;
  /** The time for a write: later than that of every earlier write. */
  tick(): number;
  /** Moves the clock. A real clock goes on by itself too, and is ahead by that much from then on. */
  advance(ms: number): void;
}

/** With `startMs`: a virtual clock, which moves only by `advance` and by 1 ms for each write, so that times are reproducible. */
export function createClock(startMs: number | null): SandboxClock {
  let virtual = startMs;
  let aheadMs = 0;
  let lastMs = 0;
  const now = () => virtual ?? Date.now() + aheadMs;
  return {
    now,
    tick() {
      if (virtual !== null) virtual += 1;
      lastMs = Math.max(now(), lastMs + 1);
      return lastMs;
    },
    advance(ms) {
      if (virtual === null) aheadMs += ms;
      else virtual += ms;
    },
  };
}
