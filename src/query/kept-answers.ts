import { hash } from "node:crypto";
import { LRUCache } from "lru-cache";
import { feedPosition } from "../changes/feed.js";
import type { Availability } from "../db/connection/availability.js";
import type { Sql } from "../db/connection/sql.js";
import { createPointReads } from "../lib/point-reads.js";
import type { Asker } from "../lib/shares.js";

/**
 * Answers a question with what was answered before, while nothing has changed since. `question` has to have in it whatever the
 * answer depends on beside the data. Everybody who asks for the same shares one making; it is stopped when nobody waits for it
 * any more.
 */
export type KeptAnswers<T> = (
  question: unknown,
  make: (asker: Asker) => Promise<T>,
  asker: Asker,
) => Promise<T>;

/** How much is kept: the sum of the sizes of all answers. */
export interface KeptAnswersOptions<T> {
  maxSize: number;
  sizeOf: (answer: T) => number;
}

/** The position of the newest change, read together by all who ask at the same time. */
export type CurrentPosition = () => Promise<number>;

/** An answer under way, or made. */
interface Answer<T> {
  made: Promise<T>;
  size: number;
  waiting: number;
  stop: AbortController;
}

/** There is only one feed to read the position of. */
const FEED = "changes";

export function createCurrentPosition(points: Sql, guard: Availability["guard"]): CurrentPosition {
  const read = createPointReads<number>(() =>
    guard(async () => new Map([[FEED, await feedPosition(points)]])),
  );
  return async () => (await read(FEED)) ?? 0;
}

export function createKeptAnswers<T>(
  currentPosition: CurrentPosition,
  { maxSize, sizeOf }: KeptAnswersOptions<T>,
): KeptAnswers<T> {
  const kept = new LRUCache<string, Answer<T>>({ maxSize, sizeCalculation: ({ size }) => size });

  /**
   * The feed's position is part of the key, and read first: an answer begun before a commit is never the answer to somebody
   * who asks after it.
   */
  async function answer(question: unknown, make: (asker: Asker) => Promise<T>, asker: Asker): Promise<T> {
    const key = digestOf([await currentPosition(), question]);
    const known = kept.get(key);
    if (known && !known.stop.signal.aborted) return join(known, asker);
    const stop = new AbortController();
    // It waits its turn under the key of the caller who asked first.
    const begun: Answer<T> = {
      made: make({ key: asker.key, signal: stop.signal }),
      size: 1,
      waiting: 0,
      stop,
    };
    kept.set(key, begun);
    begun.made.then(
      (made) => {
        begun.size = Math.max(1, sizeOf(made));
        // Setting the same value again wouldn't ask for its size.
        if (kept.peek(key) === begun && kept.delete(key)) kept.set(key, begun);
      },
      () => {
        if (kept.peek(key) === begun) kept.delete(key);
      },
    );
    return join(begun, asker);
  }

  async function join(answer: Answer<T>, { signal }: Asker): Promise<T> {
    answer.waiting++;
    const leave = () => {
      if (--answer.waiting === 0) answer.stop.abort();
    };
    if (signal?.aborted) leave();
    else signal?.addEventListener("abort", leave, { once: true });
    try {
      return await answer.made;
    } finally {
      signal?.removeEventListener("abort", leave);
    }
  }

  return answer;
}

/** Questions name hundreds of values of any length: a thousand of them would be megabytes. */
const digestOf = (value: unknown) => hash("sha256", JSON.stringify(value), "base64url");
