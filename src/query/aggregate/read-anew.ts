import { overloaded } from "../../lib/shares.js";

const MOST_TRIES = 3;

/**
 * The answer of a first try, or of one after it. Null: since the first and the last time were read, somebody was added who is in none of the
 * buckets between them. Then all is read anew; where that goes on and on, it rejects with `overloaded`.
 */
export async function readAnew<T>(tryOnce: () => Promise<T | null>): Promise<T> {
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const answer = await tryOnce();
    if (answer !== null) return answer;
  }
  throw overloaded();
}
