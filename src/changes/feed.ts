import { membersOf, plainArray, textArray } from "../db/connection/bulk.js";
import { NOTIFY_CHANNEL } from "../db/connection/client.js";
import { type Sql, send, type Tx } from "../db/connection/sql.js";
import { isLockTimeout } from "../db/connection/trouble.js";
import { AppError } from "../lib/errors.js";
import { type Counters, moveCounters } from "./counters.js";
import { bringsDays, type DayChanges, writeDays } from "./history.js";

/** What a reader of the feed is told of: that this can be read differently now. */
export interface Change {
  type: `${"user" | "organization" | "membership"}.${"upserted" | "deleted"}`;
  id: string;
  /** `updated_at` of what was stored; 0 for a deletion. The column and the public feed call it `version`. */
  updatedAtMs: number;
}

/** Any two processes of any version agree on this number. */
const FEED_LOCK = 7_310_214_402;

/** Transactions wait for this lock one after another, each for as long as the commits before it take: it has its own limit. */
const FEED_LOCK_TIMEOUT_MS = 2000;

/** A NOTIFY payload over 8,000 bytes aborts its transaction; above this many ids one `*` says "everything". */
const NOTIFY_MAX_BYTES = 7500;
const NOTIFY_MAX_IDS = 1000;

/**
 * Writes the changes of a transaction to the feed, announces them, and moves the counters and the history of days. It must come last in the
 * transaction: the lock is held until the commit, so that the order of positions is the order of commits, and a reader of
 * the feed never skips a row. Throws `database_unavailable` where another session holds the lock or the counters.
 */
export async function publish(
  tx: Tx,
  changes: readonly Change[],
  deltas: Counters,
  days: DayChanges,
): Promise<void> {
  if (changes.length === 0 && !bringsDays(days)) return;
  const published = Promise.all([
    changes.length === 0
      ? lockFeed(tx)
      : send(tx, PUBLISH, [
          textArray(membersOf(changes, "type")),
          textArray(membersOf(changes, "id")),
          plainArray(membersOf(changes, "updatedAtMs")),
          textArray(notifications(membersOf(changes, "id"))),
        ]),
    ...moveCounters(tx, deltas),
    ...writeDays(tx, days),
  ]);
  await published.catch((cause) => {
    // The items are not to blame: nothing at all can be published while the lock is held.
    if (isLockTimeout(cause)) throw new AppError("database_unavailable", "The feed is locked.", { cause });
    throw cause;
  });
}

const LOCK = `select set_config('lock_timeout', '${FEED_LOCK_TIMEOUT_MS}', true), pg_advisory_xact_lock(${FEED_LOCK}::bigint)`;

/** For who writes the history of days and announces nothing. Held until the commit. */
export const lockFeed = (tx: Tx): Promise<unknown> => send(tx, LOCK, []);

/** Takes the lock, writes the rows, and announces them. A position is drawn for each row that is joined to the lock. */
const PUBLISH = `
  with locked as materialized (${LOCK}),
    written as (
      insert into mirror_data.changes (type, id, version, at)
      select r.type, r.id, r.version, extract(epoch from clock_timestamp()) * 1000
      from locked, unnest($1::text::text[], $2::text::text[], $3::text::bigint[]) as r(type, id, version))
  select count(pg_notify('${NOTIFY_CHANNEL}', payload)) from unnest($4::text::text[]) as payload`;

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

/** The position of the newest change; 0 before the first. */
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
