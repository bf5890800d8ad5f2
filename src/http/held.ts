import { AppError } from "../lib/errors.js";
import { countByGroups } from "../lib/places.js";
import { overloaded } from "../lib/shares.js";

/**
 * Bounds how many answers are kept open for what hasn't happened yet: event streams, and lists that wait. They cost next
 * to nothing while nothing happens, so they don't count as requests under way, but each is served when something does.
 */
export interface Held {
  /** Counts one in. Throws `rate_limited` or `overloaded` if it is one too many. Call what it returns at its end. */
  enter(key: string): () => void;
}

const LIMITS = { most: 1000, mostPerKey: 250 };

export function createHeld({ most, mostPerKey }: Partial<typeof LIMITS> = {}): Held {
  const limits = { most: most ?? LIMITS.most, mostPerKey: mostPerKey ?? LIMITS.mostPerKey };
  const enter = countByGroups();
  const refusal = (group: string) =>
    group === "all"
      ? overloaded()
      : new AppError("rate_limited", "Too many requests.", {
          longMessage: `This key may keep ${limits.mostPerKey} streams and waiting requests open, of each process of the mirror.`,
          retryAfterSeconds: 1,
        });
  return {
    enter: (key) => enter(new Map([[`key ${key}`, limits.mostPerKey]]).set("all", limits.most), refusal),
  };
}
