/** Those who wait, each for the same time at most. */
export interface Patience<T extends object> {
  begin(one: T): void;
  /** It waits no longer. */
  end(one: T): void;
}

/**
 * Calls `onLate` for each that waits longer than `ms`, once. One timer serves all, because they run out of patience in the
 * order in which they came: a timer for each cost as much as the rest of waiting.
 */
export function createPatience<T extends object>(ms: number, onLate: (one: T) => void): Patience<T> {
  /** Until when each waits, in the order in which they came. */
  const waiting = new Map<T, number>();
  let isWatching = false;

  function watch(): void {
    isWatching = false;
    const nowMs = performance.now();
    for (const [one, untilMs] of waiting) {
      if (untilMs > nowMs) {
        watchIn(untilMs - nowMs);
        return;
      }
      waiting.delete(one);
      onLate(one);
    }
  }

  function watchIn(leftMs: number): void {
    isWatching = true;
    setTimeout(watch, leftMs).unref();
  }

  return {
    begin(one) {
      waiting.set(one, performance.now() + ms);
      if (!isWatching) watchIn(ms);
    },
    end: (one) => void waiting.delete(one),
  };
}
