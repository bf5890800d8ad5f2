import { hash } from "node:crypto";
import { LRUCache } from "lru-cache";
import { counterNamed } from "../changes/counters.js";
import { feedPosition } from "../changes/feed.js";
import type { Availability } from "../db/connection/availability.js";
import type { Sql } from "../db/connection/sql.js";
import { createPointReads } from "../lib/point-reads.js";
import type { Asker } from "../lib/shares.js";
import { compileFilter, type Search, type Where } from "./compile.js";
import { type Condition, keepsEverybody } from "./condition.js";
import { countStatement } from "./page.js";
import { Parameters } from "./parameters.js";
import { numberOf } from "./present.js";
import type { Run } from "./run.js";
import { countStrategy, MOST_BY_PIECES } from "./strategy.js";
import type { TermStatistics } from "./term-statistics.js";

/** How many users a filter keeps. */
export interface Counts {
  all(asker: Asker): Promise<number>;
  of(filter: Condition, asker: Asker): Promise<number>;
}

export interface CountDeps {
  points: Sql;
  guard: Availability["guard"];
  run: Run;
  termStatistics: () => Promise<TermStatistics>;
}

/** A count under way, or made. It is stopped when nobody waits for it any more. */
interface Count {
  made: Promise<number>;
  waiting: number;
  stop: AbortController;
}

/** There is only one feed to read the position of. */
const FEED = "changes";

/** Counts of different filters kept while nothing changes. */
const COUNTS_KEPT = 1000;

export function createCounts({ points, guard, run, termStatistics }: CountDeps): Counts {
  const kept = new LRUCache<string, Count>({ max: COUNTS_KEPT });
  const currentPosition = createPointReads<number>(() =>
    guard(async () => new Map([[FEED, await feedPosition(points)]])),
  );

  async function all(asker: Asker): Promise<number> {
    const params = new Parameters();
    const statement = { text: counterNamed(params.add("users")), params };
    const [row] = await run(statement, { how: "lookup", isCommon: true }, asker);
    return numberOf(row?.[0]) ?? 0;
  }

  async function of(filter: Condition, asker: Asker): Promise<number> {
    if (keepsEverybody(filter)) return all(asker);
    const params = new Parameters();
    const search: Search = { statistics: await termStatistics(), mostByPieces: MOST_BY_PIECES };
    return ofMatches(compileFilter(filter, params, search), params, asker);
  }

  /**
   * Counted once for all who ask while nothing changes. The feed's position is part of the key, and read first: a count
   * begun before a commit is never the answer to somebody who asks after it.
   */
  async function ofMatches(where: Where, params: Parameters, asker: Asker): Promise<number> {
    const key = digestOf([await currentPosition(FEED), where.conditions, params.values]);
    const known = kept.get(key);
    if (known && !known.stop.signal.aborted) return join(known, asker);
    const stop = new AbortController();
    // It waits its turn under the key of the caller who asked first.
    const made = begin(where, params, { key: asker.key, signal: stop.signal });
    const count: Count = { made, waiting: 0, stop };
    kept.set(key, count);
    made.catch(() => {
      if (kept.peek(key) === count) kept.delete(key);
    });
    return join(count, asker);
  }

  /** Guarded by itself: others who ask for the same wait for it, also those who come after Postgres has returned. */
  async function begin(where: Where, params: Parameters, asker: Asker): Promise<number> {
    const statement = { text: countStatement(where), params };
    const [row] = await guard(() => run(statement, countStrategy(where), asker));
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
