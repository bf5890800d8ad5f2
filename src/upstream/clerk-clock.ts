/** Estimates how far Clerk's clock is from ours, by the `Date` header of its answers. */
export interface ClerkClock {
  note(answer: { startedAtMs: number; answeredAtMs: number; dateMs: number | null }): void;
  /** Add it to our time to get Clerk's time, or an earlier one. 0 if its answers carry no `Date`. */
  offsetMs(): number;
}

/** `Date` has whole seconds. */
const RESOLUTION_MS = 1000;
/** Clerk has many machines with different clocks. The earliest of this many answers counts. */
const REMEMBERED = 16;
/** A `Date` that is further away than this comes from no working clock. */
const MOST_MS = 24 * 3_600_000;

/** Errs towards the early side: a proof that claims too early a moment is still true. */
export function createClerkClock(): ClerkClock {
  const offsets: number[] = [];
  return {
    note({ startedAtMs, answeredAtMs, dateMs }) {
      if (dateMs === null) return;
      const least = dateMs - answeredAtMs;
      // Within the precision of a `Date` and the duration of the request, both clocks count as equal.
      const agrees = least <= 0 && dateMs + RESOLUTION_MS >= startedAtMs;
      if (Math.abs(least) > MOST_MS) return;
      offsets.push(agrees ? 0 : least);
      if (offsets.length > REMEMBERED) offsets.shift();
    },
    offsetMs: () => (offsets.length === 0 ? 0 : Math.min(...offsets)),
  };
}
