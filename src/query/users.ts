import type { UserCache } from "../cache/user-cache.js";
import type { Availability } from "../db/connection/availability.js";
import { textArray } from "../db/connection/bulk.js";
import type { Readers } from "../db/connection/client.js";
import { etagOf } from "../lib/etag.js";
import { createPointReads } from "../lib/point-reads.js";
import { type Asker, OURSELVES } from "../lib/shares.js";
import { createPause } from "../lib/turns.js";
import type { ListParams } from "./clerk-params.js";
import type { Condition } from "./condition.js";
import { createQueryEngine, type QueryEngine } from "./engine.js";
import { createLists } from "./lists.js";
import { presentUser, type RawRow, SHOWN_COLUMNS, type View } from "./present.js";

export type { View };

/** `etag` null: the text changes by itself, because a running lockout counts down. */
export interface LiveUser {
  kind: "live";
  /** The JSON text, in UTF-8. */
  body: Buffer<ArrayBuffer>;
  etag: string | null;
}

/** One user: as JSON text, or deleted, or never heard of by the mirror. */
export type UserLookup = LiveUser | { kind: "gone" } | { kind: "unknown" };

/** The Clerk-compatible reads of users. All show what was committed when they were asked for. */
export interface UserQueries {
  /** What `get` would answer, if it is in memory; null: call `get`. */
  getFromMemory(id: string, view: View): LiveUser | null;
  get(id: string, view: View): Promise<UserLookup>;
  /** The JSON text of an array of users, in UTF-8. Rejects with `invalid_request` where the cursor is no user. */
  list(params: ListParams, view: View, asker?: Asker): Promise<Buffer<ArrayBuffer>>;
  /** The length of the whole list under the same filter. */
  count(filter: Condition, asker?: Asker): Promise<number>;
}

export const BY_ID = `select u.id, u.deleted_at, ${SHOWN_COLUMNS} from mirror_data.users u where u.id = any($1::text::text[])`;

const [OPEN, COMMA, CLOSE] = [Buffer.from("["), Buffer.from(","), Buffer.from("]")];

export interface UserQueryDeps {
  nowMs: () => number;
  availability: Pick<Availability, "guard">;
  cache: Pick<UserCache, "get" | "begin">;
  /** One of its own where there is no other that it could share. */
  engine?: QueryEngine;
}

export function createUserQueries(
  readers: Readers,
  { nowMs, availability, cache, ...others }: UserQueryDeps,
): UserQueries {
  const { points } = readers;
  const { guard } = availability;
  const engine = others.engine ?? createQueryEngine(readers, { guard, nowMs });
  // Guarded: callers who come after Postgres has returned mustn't wait for a read that still hangs.
  const userById = createPointReads<RawRow>((ids) => guard(() => usersById(ids)));
  const { run, counts, termStatistics } = engine;
  const pageOf = createLists({ points, guard, run, counts, termStatistics, nowMs });

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
    const rows = await pageOf(params, asker);
    const now = nowMs();
    const pieces: Buffer[] = rows.length === 0 ? [OPEN] : [];
    // Most rows are passed on as they are, but some have to be parsed and printed again.
    const pause = createPause();
    for (const [n, row] of rows.entries()) {
      pieces.push(n === 0 ? OPEN : COMMA, ...presentUser(row, view, now).pieces);
      await pause();
    }
    return Buffer.concat([...pieces, CLOSE]);
  }

  return {
    getFromMemory: (id, view) => cache.get(id, variantOf(view)) ?? null,
    get,
    list,
    count: (filter, asker = OURSELVES) => counts.of(filter, asker),
  };
}

/** For what is kept: a slice of Node's buffer pool would keep its neighbours in memory too. */
function ownCopy(bytes: Buffer): Buffer<ArrayBuffer> {
  const own = Buffer.allocUnsafeSlow(bytes.byteLength);
  bytes.copy(own);
  return own;
}
