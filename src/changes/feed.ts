import { plainArray, textArray } from "../db/connection/bulk.js";
import { NOTIFY_CHANNEL } from "../db/connection/client.js";
import type { Sql, Tx } from "../db/connection/sql.js";
import { isLockTimeout } from "../db/connection/trouble.js";
import { AppError } from "../lib/errors.js";

export interface Change {
  type: `${"user" | "organization" | "membership"}.${"upserted" | "deleted"}`;
  id: string;
  /** `updated_at` of what was stored; 0 for a deletion. */
  version: number;
}

export interface CounterDeltas {
  users: number;
  organizations: number;
  memberships: number;
}

/** Any two processes of any version agree on this number. */
const FEED_LOCK = 7_310_214_402;

/** Everybody waits for it in turn, for as long as commits take, so that it has a limit of its own. */
const FEED_LOCK_TIMEOUT_MS = 2000;

/** A NOTIFY payload over 8,000 bytes aborts its transaction; above this many ids one `*` says "everything". */
const NOTIFY_MAX_BYTES = 7500;
const NOTIFY_MAX_IDS = 1000;

/**
 * Last of all in an applying transaction: the lock is held through commit, so that the order of positions is the order
 * of commits and a reader of the feed never skips a row. Counters move under the same lock.
 * Throws `database_unavailable` where another session holds these.
 */
export async function publish(tx: Tx, changes: readonly Change[], deltas: CounterDeltas): Promise<void> {
  if (changes.length === 0) return;
  const moved = Object.entries(deltas).filter(([, delta]) => delta !== 0);
  const published = Promise.all([
    tx`
      select set_config('lock_timeout', ${String(FEED_LOCK_TIMEOUT_MS)}, true),
        pg_advisory_xact_lock(${FEED_LOCK}::bigint)`,
    tx`
      insert into mirror_data.changes (type, id, version, at)
      select r.type, r.id, r.version, extract(epoch from clock_timestamp()) * 1000
      from unnest(
        ${textArray(changes.map((c) => c.type))}::text::text[],
        ${textArray(changes.map((c) => c.id))}::text::text[],
        ${plainArray(changes.map((c) => c.version))}::text::bigint[]
      ) as r(type, id, version)`,
    ...moved.map(
      ([name, delta]) => tx`update mirror_data.counters set n = n + ${delta}::bigint where name = ${name}`,
    ),
    ...notifications(changes.map((c) => c.id)).map(
      (payload) => tx`select pg_notify(${NOTIFY_CHANNEL}, ${payload})`,
    ),
  ]);
  await published.catch((cause) => {
    // No item's own trouble: nobody could be published.
    if (isLockTimeout(cause)) throw new AppError("database_unavailable", "The feed is locked.", { cause });
    throw cause;
  });
}

/** The payloads that announce these ids: chunks of `{"ids":[…]}`, or `*` for a large commit. */
function notifications(ids: readonly string[]): string[] {
  const distinct = [...new Set(ids)];
  if (distinct.length > NOTIFY_MAX_IDS) return ["*"];
  const payloads: string[] = [];
  let chunk: string[] = [];
  let bytes = 0;
  for (const id of distinct) {
    const size = Buffer.byteLength(JSON.stringify(id)) + 1;
    if (bytes + size > NOTIFY_MAX_BYTES - 10 && chunk.length > 0) {
      payloads.push(JSON.stringify({ ids: chunk }));
      [chunk, bytes] = [[], 0];
    }
    chunk.push(id);
    bytes += size;
  }
  if (chunk.length > 0) payloads.push(JSON.stringify({ ids: chunk }));
  return payloads;
}

/** The newest position; 0 before the first. */
export async function feedPosition(sql: Sql): Promise<number> {
  const [row] = await sql<{ position: number }[]>`
    select coalesce(max(position), 0)::bigint as position from mirror_data.changes`;
  return row?.position ?? 0;
}

/** How many deletions of users were committed behind this position. */
export async function userDeletionsSince(sql: Sql, position: number): Promise<number> {
  const [row] = await sql<{ n: number }[]>`
    select count(*)::bigint as n from mirror_data.changes where position > ${position} and type = 'user.deleted'`;
  return row?.n ?? 0;
}
