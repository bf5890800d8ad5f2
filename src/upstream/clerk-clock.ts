/** How far Clerk's clock is from ours, by the `Date` of its answers. */
export interface ClerkClock {
  note(answer: { startedAtMs: number; answeredAtMs: number; dateMs: number | null }): void;
  /** Added to our time gives Clerk's, or an earlier one; 0 where its answers carry no `Date`. */
  offsetMs(): number;
}

/** `Date` has whole seconds. */
const RESOLUTION_MS = 1000;
/** Clerk has many machines, whose clocks differ: the earliest of so many answers counts. */
const REMEMBERED = 16;
/** What says that it is another day is no clock. */
const MOST_MS = 24 * 3_600_000;

/** Errs on the early side: what is vouched for up to a time that is too early is merely vouched for later. */
export function createClerkClock(): ClerkClock {
  const offsets: number[] = [];
  return {
    note({ startedAtMs, answeredAtMs, dateMs }) {
      if (dateMs === null) return;
      const least = dateMs - answeredAtMs;
      // Within what a Date and the way of the answer leave open both clocks are the same.
      const agrees = least <= 0 && dateMs + RESOLUTION_MS >= startedAtMs;
      if (Math.abs(least) > MOST_MS) return;
      offsets.push(agrees ? 0 : least);
      if (offsets.length > REMEMBERED) offsets.shift();
    },
    offsetMs: () => (offsets.length === 0 ? 0 : Math.min(...offsets)),
  };
}
