import { hash } from "node:crypto";
import { LRUCache } from "lru-cache";
import { counterNamed } from "../changes/counters.js";
import { feedPosition } from "../changes/feed.js";
import type { Availability } from "../db/connection/availability.js";
import type { Sql } from "../db/connection/sql.js";
import { createPointReads } from "../lib/point-reads.js";
import type { Asker } from "../lib/shares.js";
import { isUnfiltered, type UserFilter } from "./clerk-params.js";
import { compileFilter, Parameters, type Search, type Where } from "./compile.js";
import type { Lookups } from "./lookups.js";
import { countStatement, isCommonCount } from "./page.js";
import { numberOf } from "./present.js";
import type { Searches } from "./search-pool.js";
import type { TermStatistics } from "./term-statistics.js";

/** How many users a filter keeps. */
export interface Counts {
  all(asker: Asker): Promise<number>;
  of(filter: UserFilter, asker: Asker): Promise<number>;
}

export interface CountParts {
  points: Sql;
  guard: Availability["guard"];
  lookUp: Lookups;
  searches: Searches;
  termStatistics: () => Promise<TermStatistics>;
}

/** A count under way, or made. It is stopped when the last of those who wait for it has gone. */
interface Count {
  made: Promise<number>;
  waiting: number;
  stop: AbortController;
}

/** A user found by a piece takes 4 µs, one looked through 0.1: beyond this share all are looked through. */
export const MOST_BY_PIECES = 1 / 40;

/** The one that there is. */
const FEED = "changes";

/** Counts of different filters kept while nothing changes. */
const COUNTS_KEPT = 1000;

export function createCounts(parts: CountParts): Counts {
  const { points, guard, lookUp, searches, termStatistics } = parts;
  const kept = new LRUCache<string, Count>({ max: COUNTS_KEPT });
  const currentPosition = createPointReads<number>(() =>
    guard(async () => new Map([[FEED, await feedPosition(points)]])),
  );

  async function all(asker: Asker): Promise<number> {
    const values = new Parameters();
    const [row] = await lookUp(counterNamed(values.add("users")), values, { asker, isCommon: true });
    return numberOf(row?.[0]) ?? 0;
  }

  async function of(filter: UserFilter, asker: Asker): Promise<number> {
    if (isUnfiltered(filter)) return all(asker);
    const values = new Parameters();
    const by: Search = { statistics: await termStatistics(), mostByPieces: MOST_BY_PIECES };
    return ofMatches(compileFilter(filter, values, by), values, asker);
  }

  /**
   * Counted once for all who ask while nothing changes. The feed's position is part of the key, and read first: a count
   * begun before a commit is never the answer to somebody who asks after it.
   */
  async function ofMatches(where: Where, values: Parameters, asker: Asker): Promise<number> {
    const key = digestOf([await currentPosition(FEED), where.conditions, values.values]);
    const known = kept.get(key);
    if (known && !known.stop.signal.aborted) return join(known, asker);
    const stop = new AbortController();
    // Its place is that of whoever asked first.
    const made = begin(where, values, { key: asker.key, signal: stop.signal });
    const count: Count = { made, waiting: 0, stop };
    kept.set(key, count);
    made.catch(() => {
      if (kept.peek(key) === count) kept.delete(key);
    });
    return join(count, asker);
  }

  /** Guarded itself: whoever asks for the same waits for it, after Postgres has returned too. */
  async function begin(where: Where, values: Parameters, asker: Asker): Promise<number> {
    const text = countStatement(where);
    const [row] = where.few
      ? await lookUp(text, values, { asker, isCommon: isCommonCount(where) })
      : await guard(() => searches.patiently(text, values, asker));
    return numberOf(row?.[0]) ?? 0;
  }

  async function join(count: Count, { signal }: Asker): Promise<number> {
    count.waiting++;
    const leave = () => {
      if (--count.waiting === 0) count.stop.abort();
    };
    if (signal?.aborted) leave();
    else signal?.addEventListener("abort", leave, { once: true });
    try {
      return await count.made;
    } finally {
      signal?.removeEventListener("abort", leave);
    }
  }

  return { all, of };
}

/** Filters name hundreds of values of any length: a thousand of them would be megabytes. */
const digestOf = (value: unknown) => hash("sha256", JSON.stringify(value), "base64url");
