import { AppError } from "../lib/errors.js";

/** What one key may use of each process. */
export interface Limits {
  /** Requests a second on average. As many may come at once after a quiet second. */
  rate: number;
  /** Requests under way at a time. */
  inFlight: number;
}

/** High enough for a service that uses one key for everything, low enough to stop one that runs wild. */
export const DEFAULT_LIMITS: Limits = { rate: 5000, inFlight: 1000 };

/** Enforces the limits of one key. */
export interface Limiter {
  /** Counts a request in. Throws `rate_limited` if the limit is reached. */
  enter(): void;
  /** Counts a request out: call it once for each that entered. */
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
