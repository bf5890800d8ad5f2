import { AppError } from "../lib/errors.js";

/** What a key may use of each process. */
export interface Limits {
  /** Requests a second, on average: as many may come at once, if there were none before. */
  rate: number;
  /** Requests at a time. */
  inFlight: number;
}

/** A service that has one key for all it does stays below it; one that runs wild is held. */
export const DEFAULT_LIMITS: Limits = { rate: 5000, inFlight: 1000 };

/** Holds a key to its limits. */
export interface Limiter {
  /** Counts a request in; throws `rate_limited` where that would be one too many. */
  enter(): void;
  /** Each that entered leaves once. */
  leave(): void;
}

export function createLimiter({ rate, inFlight }: Limits, now = () => performance.now()): Limiter {
  let left = rate;
  let atMs = now();
  let inside = 0;
  return {
    enter() {
      const nowMs = now();
      left = Math.min(rate, left + ((nowMs - atMs) * rate) / 1000);
      atMs = nowMs;
      if (inside >= inFlight) throw tooMany(`${inFlight} requests at a time`, 1);
      if (left < 1) throw tooMany(`${rate} requests a second`, (1 - left) / rate);
      left--;
      inside++;
    },
    leave() {
      inside--;
    },
  };
}

const tooMany = (limit: string, retryAfterSeconds: number) =>
  new AppError("rate_limited", "Too many requests.", {
    longMessage: `This key may make ${limit}, of each process of the mirror.`,
    retryAfterSeconds,
  });
