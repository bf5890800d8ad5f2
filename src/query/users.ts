import type { UserCache } from "../cache/user-cache.js";
import type { Availability } from "../db/connection/availability.js";
import { textArray } from "../db/connection/bulk.js";
import type { Readers } from "../db/connection/client.js";
import { etagOf } from "../lib/etag.js";
import { createPointReads } from "../lib/point-reads.js";
import { type Asker, OURSELVES } from "../lib/shares.js";
import { sqlText } from "../lib/text.js";
import { createPause } from "../lib/turns.js";
import { invalid, isUnfiltered, type ListParams, type UserFilter } from "./clerk-params.js";
import { compileFilter, Parameters, type Search } from "./compile.js";
import { createCounts, MOST_BY_PIECES } from "./counts.js";
import { createLookups } from "./lookups.js";
import { isCommonPage, type PageRequest, pageStatement } from "./page.js";
import { presentUser, type RawRow, SHOWN_COLUMNS, type View } from "./present.js";
import { createSearches } from "./search-pool.js";
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
  list(params: ListParams, view: View, asker?: Asker): Promise<Buffer<ArrayBuffer>>;
  /** The length of the whole list under the same filter. */
  count(filter: UserFilter, asker?: Asker): Promise<number>;
}

export const BY_ID = `select u.id, u.deleted_at, ${SHOWN_COLUMNS} from mirror_data.users u where u.id = any($1::text::text[])`;

const [OPEN, COMMA, CLOSE] = [Buffer.from("["), Buffer.from(","), Buffer.from("]")];

export interface UserQueryParts {
  nowMs: () => number;
  availability: Pick<Availability, "guard">;
  cache: Pick<UserCache, "get" | "begin">;
}

export function createUserQueries(
  readers: Readers,
  { nowMs, availability, cache }: UserQueryParts,
): UserQueries {
  const { points } = readers;
  // A run that hangs must not keep those waiting who come after Postgres has returned.
  const userById = createPointReads<RawRow>((ids) => availability.guard(() => usersById(ids)));
  const cursorById = createPointReads<number>((ids) => availability.guard(() => createdAt(ids)));
  const { guard } = availability;
  const lookUp = createLookups(points, guard);
  const searches = createSearches(readers);
  const termStatistics = createTermStatistics(points, guard);
  const counts = createCounts({ points, guard, lookUp, searches, termStatistics });

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
    const rows: RawRow[] = await points.unsafe(BY_ID, [textArray(ids)], { prepare: true }).raw();
    return new Map(rows.map((row) => [String(row[0]), row]));
  }

  async function list(params: ListParams, view: View, asker = OURSELVES): Promise<Buffer<ArrayBuffer>> {
    const { limit, offset, orderBy, startingAfter } = params;
    const after = startingAfter === null ? null : await cursor(startingAfter);
    const statistics = await termStatistics();
    const isDeep = offset > 0 && isUnfiltered(params.filter);
    const fromEnd = isDeep && offset > (await counts.all(asker)) / 2;
    const request: PageRequest = { orderBy, limit, offset, after, fromEnd };
    const mostByPieces = Math.sqrt((offset + limit) / (3 * Math.max(1, statistics.users)));
    const rows = await page(params.filter, request, { statistics, mostByPieces }, asker);
    const now = nowMs();
    const pieces: Buffer[] = rows.length === 0 ? [OPEN] : [];
    // Most rows go through as they are, but some have to be read and printed again.
    const pause = createPause();
    for (const [n, row] of rows.entries()) {
      pieces.push(n === 0 ? OPEN : COMMA, ...presentUser(row, view, now).pieces);
      await pause();
    }
    return Buffer.concat([...pieces, CLOSE]);
  }

  /**
   * A search is planned for its very term; one or two letters are everywhere, because of ids alone, so that nothing needs
   * to be forced. Pieces that many have are looked for in the page's order, and by their index where that takes too long.
   * A lookup has one good plan, which stays with its connection where it is common: planning it each time takes longer than
   * doing it.
   */
  async function page(filter: UserFilter, request: PageRequest, by: Search, asker: Asker): Promise<RawRow[]> {
    const values = new Parameters();
    const where = compileFilter(filter, values, by);
    const text = pageStatement(where, request, values);
    const isCommon = isCommonPage(where, request.orderBy);
    if (where.few) return lookUp(text, values, { asker, isCommon });
    const rows = request.offset + request.limit;
    if (where.hasCommonPieces) {
      const instead = () => pageByPieces(filter, request, by.statistics, asker);
      return searches.search(text, values, {
        ...{ asker, byIndex: false, hasTerm: true, rows, prepare: isCommon, instead },
      });
    }
    if (where.terms === "by looking") return searches.patiently(text, values, asker);
    return searches.search(text, values, {
      ...{
        asker,
        byIndex: where.terms === "by index",
        hasTerm: where.terms !== null,
        rows,
        prepare: isCommon,
      },
    });
  }

  function pageByPieces(
    filter: UserFilter,
    request: PageRequest,
    statistics: TermStatistics,
    asker: Asker,
  ): Promise<RawRow[]> {
    const values = new Parameters();
    const where = compileFilter(filter, values, { statistics, mostByPieces: MOST_BY_PIECES });
    const text = pageStatement(where, request, values);
    return where.hasCommonPieces
      ? searches.withoutOrder(text, values, asker)
      : searches.patiently(text, values, asker);
  }

  /** Where the page starts: behind this user, whether the filter keeps it or not. */
  async function cursor(id: string): Promise<PageRequest["after"]> {
    const createdAtMs = await cursorById(sqlText(id));
    if (createdAtMs !== null) return { id, createdAtMs };
    throw invalid("starting_after", `No user was found with id ${id}.`, "form_resource_not_found");
  }

  async function createdAt(ids: readonly string[]): Promise<Map<string, number>> {
    const rows = await points<{ id: string; createdAtMs: number }[]>`
      select id, created_at as "createdAtMs" from mirror_data.user_search
      where id = any(${textArray(ids)}::text::text[])`;
    return new Map(rows.map(({ id, createdAtMs }) => [id, createdAtMs]));
  }

  return {
    getFromMemory: (id, view) => cache.get(id, variantOf(view)) ?? null,
    get,
    list,
    count: (filter, asker = OURSELVES) => counts.of(filter, asker),
  };
}

/** A slice of Node's pool, kept, would keep its neighbours too. */
function ownCopy(bytes: Buffer): Buffer<ArrayBuffer> {
  const own = Buffer.allocUnsafeSlow(bytes.byteLength);
  bytes.copy(own);
  return own;
}
