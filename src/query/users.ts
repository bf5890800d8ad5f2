import { LRUCache } from "lru-cache";
import type { UserCache } from "../cache/user-cache.js";
import type { Availability } from "../db/availability.js";
import { textArray } from "../db/bulk.js";
import type { Database } from "../db/client.js";
import { hasLettersBeyondAscii } from "../db/search-index.js";
import { etagOf } from "../lib/etag.js";
import { compileFilter, Parameters, type Where } from "./compile.js";
import { invalid, type ListParams, type UserFilter } from "./filter.js";
import { countStatement, type PageRequest, pageStatement } from "./page.js";
import { createPointReads } from "./point-reads.js";
import { numberOf, presentUser, type RawRow, SHOWN_COLUMNS, type View } from "./present.js";
import { search, searchPatiently } from "./search-pool.js";

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

const BY_ID = `select u.id, u.deleted_at, ${SHOWN_COLUMNS} from mirror_data.users u where u.id = any($1::text::text[])`;

const [OPEN, COMMA, CLOSE] = [Buffer.from("["), Buffer.from(","), Buffer.from("]")];

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
  const counts = new LRUCache<string, Promise<number>>({ max: COUNTS_KEPT });
  let letters: Promise<boolean> | null = null;

  /** Asked once: what a database takes for letters never changes. */
  function lettersBeyondAscii(): Promise<boolean> {
    letters ??= hasLettersBeyondAscii(reads).catch((error) => {
      letters = null;
      throw error;
    });
    return letters;
  }

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
    const values = new Parameters();
    const where = compileFilter(params.filter, values, await lettersBeyondAscii());
    const fromEnd = offset > 0 && isUnfiltered(where) && offset > (await countAll()) / 2;
    const request: PageRequest = { orderBy, limit, offset, after, fromEnd };
    const rows = await run(where, pageStatement(where, request, values), values);
    const now = nowMs();
    const pieces = rows.flatMap((row, n) => [n === 0 ? OPEN : COMMA, ...presentUser(row, view, now).pieces]);
    return Buffer.concat([...(rows.length === 0 ? [OPEN] : pieces), CLOSE]);
  }

  /**
   * A search is planned for its very term; one or two letters are everywhere, because of ids alone, so that nothing needs
   * to be forced. A lookup has one good plan, which stays with its connection: planning it each
   * time takes longer than doing it.
   */
  async function run(where: Where, text: string, values: Parameters): Promise<RawRow[]> {
    if (where.few) return reads.unsafe(text, [...values.values], { prepare: true }).raw();
    if (where.terms === "by looking") return searchPatiently(database, text, values);
    return search(database, text, values, { byIndex: where.terms === "by index" });
  }

  /** Where the page starts: behind this user, whether the filter keeps it or not. */
  async function cursor(id: string): Promise<PageRequest["after"]> {
    const [row] = await reads<{ createdAtMs: number }[]>`
      select created_at as "createdAtMs" from mirror_data.user_search where id = ${id}`;
    if (row) return { id, createdAtMs: row.createdAtMs };
    throw invalid("starting_after", `No user was found with id ${id}.`, "form_resource_not_found");
  }

  async function count(filter: UserFilter): Promise<number> {
    const values = new Parameters();
    const where = compileFilter(filter, values, await lettersBeyondAscii());
    return isUnfiltered(where) ? countAll() : countMatches(where, values);
  }

  async function countAll(): Promise<number> {
    const [row] = await reads<{ n: number }[]>`select n from mirror_data.counters where name = 'users'`;
    return row?.n ?? 0;
  }

  /**
   * Counted once for all who ask while nothing changes. The feed's position is part of the key, and read first: a count
   * begun before a commit is never the answer to somebody who asks after it.
   */
  async function countMatches(where: Where, values: Parameters): Promise<number> {
    const [feed] = await reads<{ position: number }[]>`
      select coalesce(max(position), 0)::bigint as position from mirror_data.changes`;
    const key = JSON.stringify([feed?.position, where.conditions, values.values]);
    const known = counts.get(key);
    if (known) return known;
    const counting = (
      where.few
        ? run(where, countStatement(where), values)
        : searchPatiently(database, countStatement(where), values)
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

const isUnfiltered = (where: Where) => where.conditions.length === 0;
