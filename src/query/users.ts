import { LRUCache } from "lru-cache";
import type { UserCache } from "../cache/user-cache.js";
import type { Availability } from "../db/availability.js";
import { textArray } from "../db/bulk.js";
import type { Database } from "../db/client.js";
import { etagOf } from "../lib/etag.js";
import { sqlText } from "../lib/text.js";
import { compileFilter, Parameters, type Search, type Where } from "./compile.js";
import { invalid, isUnfiltered, type ListParams, type UserFilter } from "./filter.js";
import { createLookups } from "./lookups.js";
import { countStatement, type PageRequest, pageStatement } from "./page.js";
import { createPointReads } from "./point-reads.js";
import { numberOf, presentUser, type RawRow, SHOWN_COLUMNS, type View } from "./present.js";
import { search, searchPatiently, searchWithoutOrder } from "./search-pool.js";
import { createTermStatistics, type TermStatistics } from "./term-statistics.js";

export type { View };

/** `etag` null: the text changes by itself, for a running lockout counts down. */
export interface LiveUser {
  kind: "live";
  /** The JSON text, in UTF-8. */
  body: Buffer<ArrayBuffer>;
  etag: string | null;
}

/** One user: as JSON text, or a tombstone, or nobody the mirror ever heard of. */
export type UserLookup = LiveUser | { kind: "gone" } | { kind: "unknown" };

/** The Clerk-compatible reads of users. All show what is committed when they are asked. */
export interface UserQueries {
  /** What `get` would answer, if it is in memory; null: ask it. */
  getFromMemory(id: string, view: View): LiveUser | null;
  get(id: string, view: View): Promise<UserLookup>;
  /** The JSON text of an array of users, in UTF-8. Rejects with `invalid_request` where the cursor is no user. */
  list(params: ListParams, view: View): Promise<Buffer<ArrayBuffer>>;
  /** The length of the whole list under the same filter. */
  count(filter: UserFilter): Promise<number>;
}

export const BY_ID = `select u.id, u.deleted_at, ${SHOWN_COLUMNS} from mirror_data.users u where u.id = any($1::text::text[])`;

const [OPEN, COMMA, CLOSE] = [Buffer.from("["), Buffer.from(","), Buffer.from("]")];

/** A user found by a piece takes 4 µs, one looked through 0.1: beyond this share all are looked through. */
const MOST_BY_PIECES = 1 / 40;

/** The one that there is. */
const FEED = "changes";

/** Counts of different filters kept while nothing changes. */
const COUNTS_KEPT = 1000;

export interface UserQueryParts {
  nowMs: () => number;
  availability: Pick<Availability, "guard">;
  cache: Pick<UserCache, "get" | "begin">;
}

export function createUserQueries(
  database: Pick<Database, "sql" | "reads" | "search">,
  { nowMs, availability, cache }: UserQueryParts,
): UserQueries {
  const { reads } = database;
  // A run that hangs must not keep those waiting who come after Postgres has returned.
  const userById = createPointReads<RawRow>((ids) => availability.guard(() => usersById(ids)));
  const lookUp = createLookups(reads, availability.guard);
  const feedPosition = createPointReads<number>(() =>
    availability.guard(async () => {
      const [feed] = await reads<{ position: number }[]>`
        select coalesce(max(position), 0)::bigint as position from mirror_data.changes`;
      return new Map([[FEED, feed?.position ?? 0]]);
    }),
  );
  const counts = new LRUCache<string, Promise<number>>({ max: COUNTS_KEPT });
  const termStatistics = createTermStatistics(reads, availability.guard);

  const variantOf = (view: View) => (view.privateMetadata ? "private" : "public");

  async function get(id: string, view: View): Promise<UserLookup> {
    const flight = cache.begin(id);
    try {
      const row = await userById(id);
      if (!row) return { kind: "unknown" };
      const [, deletedAt, payload] = row;
      if (!payload) return { kind: deletedAt ? "gone" : "unknown" };
      const { pieces, changes } = presentUser(row, view, nowMs(), 2);
      const body = Buffer.concat(pieces);
      if (changes) return { kind: "live", body, etag: null };
      const etag = etagOf(body);
      flight.keep(variantOf(view), () => ({ kind: "live", body: ownCopy(body), etag }));
      return { kind: "live", body, etag };
    } finally {
      flight.end();
    }
  }

  /** Live users, tombstones, and placeholders that know only their id. */
  async function usersById(ids: readonly string[]): Promise<Map<string, RawRow>> {
    const rows: RawRow[] = await reads.unsafe(BY_ID, [textArray(ids)], { prepare: true }).raw();
    return new Map(rows.map((row) => [String(row[0]), row]));
  }

  async function list(params: ListParams, view: View): Promise<Buffer<ArrayBuffer>> {
    const { limit, offset, orderBy, startingAfter } = params;
    const after = startingAfter === null ? null : await cursor(startingAfter);
    const statistics = await termStatistics();
    const isDeep = offset > 0 && isUnfiltered(params.filter);
    const fromEnd = isDeep && offset > (await countAll()) / 2;
    const request: PageRequest = { orderBy, limit, offset, after, fromEnd };
    const mostByPieces = Math.sqrt((offset + limit) / (3 * Math.max(1, statistics.users)));
    const rows = await page(params.filter, request, { statistics, mostByPieces });
    const now = nowMs();
    const pieces = rows.flatMap((row, n) => [n === 0 ? OPEN : COMMA, ...presentUser(row, view, now).pieces]);
    return Buffer.concat([...(rows.length === 0 ? [OPEN] : pieces), CLOSE]);
  }

  /**
   * A search is planned for its very term; one or two letters are everywhere, because of ids alone, so that nothing needs
   * to be forced. Pieces that many have are looked for in the page's order, and by their index where that takes too long.
   * A lookup has one good plan, which stays with its connection: planning it each time takes longer than doing it.
   */
  async function page(filter: UserFilter, request: PageRequest, by: Search): Promise<RawRow[]> {
    const values = new Parameters();
    const where = compileFilter(filter, values, by);
    const text = pageStatement(where, request, values);
    if (where.few) return lookUp(text, values);
    if (where.hasCommonPieces) {
      const instead = () => pageByPieces(filter, request, by.statistics);
      return search(database, text, values, {
        byIndex: false,
        hasTerm: true,
        rows: request.offset + request.limit,
        instead,
      });
    }
    if (where.terms === "by looking") return searchPatiently(database, text, values);
    return search(database, text, values, {
      byIndex: where.terms === "by index",
      hasTerm: where.terms !== null,
      rows: request.offset + request.limit,
    });
  }

  function pageByPieces(
    filter: UserFilter,
    request: PageRequest,
    statistics: TermStatistics,
  ): Promise<RawRow[]> {
    const values = new Parameters();
    const where = compileFilter(filter, values, { statistics, mostByPieces: MOST_BY_PIECES });
    const text = pageStatement(where, request, values);
    return where.hasCommonPieces
      ? searchWithoutOrder(database, text, values)
      : searchPatiently(database, text, values);
  }

  /** Where the page starts: behind this user, whether the filter keeps it or not. */
  async function cursor(id: string): Promise<PageRequest["after"]> {
    const [row] = await reads<{ createdAtMs: number }[]>`
      select created_at as "createdAtMs" from mirror_data.user_search where id = ${sqlText(id)}`;
    if (row) return { id, createdAtMs: row.createdAtMs };
    throw invalid("starting_after", `No user was found with id ${id}.`, "form_resource_not_found");
  }

  async function count(filter: UserFilter): Promise<number> {
    const values = new Parameters();
    if (isUnfiltered(filter)) return countAll();
    const by = { statistics: await termStatistics(), mostByPieces: MOST_BY_PIECES };
    return countMatches(compileFilter(filter, values, by), values);
  }

  async function countAll(): Promise<number> {
    const values = new Parameters();
    const text = `select n from mirror_data.counters where name = ${values.add("users")}`;
    const [row] = await lookUp(text, values);
    return numberOf(row?.[0]) ?? 0;
  }

  /**
   * Counted once for all who ask while nothing changes. The feed's position is part of the key, and read first: a count
   * begun before a commit is never the answer to somebody who asks after it.
   */
  async function countMatches(where: Where, values: Parameters): Promise<number> {
    const key = JSON.stringify([await feedPosition(FEED), where.conditions, values.values]);
    const known = counts.get(key);
    if (known) return known;
    // Guarded itself: whoever asks for the same waits for it, after Postgres has returned too.
    const counting = (
      where.few
        ? lookUp(countStatement(where), values)
        : availability.guard(() => searchPatiently(database, countStatement(where), values))
    ).then(([row]) => numberOf(row?.[0]) ?? 0);
    counts.set(key, counting);
    counting.catch(() => counts.delete(key));
    return counting;
  }

  return { getFromMemory: (id, view) => cache.get(id, variantOf(view)) ?? null, get, list, count };
}

/** A slice of Node's pool, kept, would keep its neighbours too. */
function ownCopy(bytes: Buffer): Buffer<ArrayBuffer> {
  const own = Buffer.allocUnsafeSlow(bytes.byteLength);
  bytes.copy(own);
  return own;
}
