import type { Sql, Tx } from "../../db/connection/sql.js";
import { runLoop } from "../../lib/loop.js";
import { RANK } from "../fold/snapshot.js";
import { DEAD_OBJECTS } from "./dead-letters.js";
import { CONTRADICTED } from "./refetch-queue.js";

/** How much of Clerk's users the mirror can vouch for, known without asking the database. */
export interface Completeness {
  isBackfilled(): boolean;
  /** The moment up to which the mirror was proved complete, in milliseconds. Null if it never was. */
  asOfMs(): number | null;
  /** The same for memberships and organizations. */
  membershipsAsOfMs(): number | null;
  refresh(): Promise<void>;
  /** Follows what other processes find out, until aborted. */
  run(signal: AbortSignal): Promise<void>;
}

const REFRESH_MS = 1000;

export function createCompleteness(sql: Sql): Completeness {
  let backfilledAtMs: number | null = null;
  let asOfMs: number | null = null;
  let membershipsAsOfMs: number | null = null;

  async function refresh(): Promise<void> {
    const [row] = await sql<
      { backfilled_at: number | null; as_of: number | null; memberships_as_of: number | null }[]
    >`select backfilled_at, as_of, memberships_as_of from mirror_data.upstream`;
    backfilledAtMs = row?.backfilled_at ?? null;
    asOfMs = row?.as_of ?? null;
    membershipsAsOfMs = row?.memberships_as_of ?? null;
  }

  return {
    isBackfilled: () => backfilledAtMs !== null,
    asOfMs: () => asOfMs,
    membershipsAsOfMs: () => membershipsAsOfMs,
    refresh,
    run: (signal) =>
      runLoop({
        ...{ signal, step: refresh, startsWith: "step", pauseMs: REFRESH_MS },
        // While Postgres is away, what was known stays.
        onFailure: () => {},
      }),
  };
}

/** Notes that a run has read all of Clerk's users from start to end. */
export async function markBackfilled(sql: Sql | Tx, nowMs: number): Promise<void> {
  await sql`update mirror_data.upstream set backfilled_at = coalesce(backfilled_at, ${nowMs})`;
}

/**
 * Where the next check begins: the newest `updated_at` that Clerk had shown when the last successful run began, and
 * the moment up to which the mirror was proved complete. Nulls before the first run.
 */
export async function loadProof(sql: Sql): Promise<{ watermark: number | null; asOfMs: number | null }> {
  const [row] = await sql<{ watermark: number | null; as_of: number | null }[]>`
    select watermark, as_of from mirror_data.upstream`;
  return { watermark: row?.watermark ?? null, asOfMs: row?.as_of ?? null };
}

/** Call it when the run that began with this watermark has succeeded. */
export async function saveWatermark(sql: Sql | Tx, watermark: number): Promise<void> {
  await sql`update mirror_data.upstream set watermark = greatest(watermark, ${watermark}::bigint)`;
}

/** Notes what was counted on both sides, for people to compare. */
export async function saveCounted(
  sql: Sql | Tx,
  { theirs, ours }: { theirs: number; ours: number },
  nowMs: number,
): Promise<void> {
  await sql`
    update mirror_data.upstream set counted = ${theirs}, counted_here = ${ours}, counted_at = ${nowMs}`;
}

/** Call it at the start of a backfill, which may be resumed later: what changes from then on isn't behind it. */
export async function keepFirstWatermark(sql: Sql | Tx, watermark: number): Promise<void> {
  await sql`update mirror_data.upstream set watermark = coalesce(watermark, ${watermark}::bigint)`;
}

/** The moment up to which a run proves something: by Clerk's clock, and by ours. */
export interface Proved {
  /** No later than Clerk's clock showed, because changes carry Clerk's times. */
  clerkMs: number;
  /** What reached us after this moment isn't in doubt. */
  ownMs: number;
}

/** `as_of` is compared with our clock and with Clerk's times. Where the two differ, it claims the earlier one. */
export const provedBy = (
  beganAtMs: number,
  { lagMs, offsetMs }: { lagMs: number; offsetMs: number },
): Proved => ({
  clerkMs: beganAtMs - lagMs + Math.min(0, offsetMs),
  ownMs: beganAtMs - lagMs,
});

/**
 * Moves `as_of` forward to what was proved, unless something from before is still in doubt. An open refetch or dead
 * letter may stand for a user who is wrong here, and so may a user whom a run could not store. Nor does it move if a
 * webhook about something older arrived after `position`, where the feed stood before users were compared.
 */
export async function advanceAsOf(
  tx: Tx,
  { clerkMs, ownMs }: Proved,
  position = Number.MAX_SAFE_INTEGER,
): Promise<void> {
  // In a statement of its own: the session that holds the row may be writing what the next statement must see.
  await tx`select from mirror_data.upstream for update`;
  await tx`
    update mirror_data.upstream set as_of = ${greatestBefore(tx, tx`as_of`, clerkMs)}
    where ${nothingInDoubt(tx, ownMs)} and not exists (
      select from mirror_data.changes c join mirror_data.users u on u.id = c.id
      where c.position > ${position} and c.type = 'user.upserted' and c.version < ${clerkMs}
        and u.source = ${RANK.webhook})`;
}

/**
 * Takes back the proof for the time since `sinceMs`. The next successful check proves it again. Nothing fresher than
 * `lagMs` was ever proved, so nothing is taken back for that.
 */
export async function withdrawAsOf(tx: Tx, sinceMs: number, lagMs: number): Promise<void> {
  const [proved] = await tx<{ as_of: number | null }[]>`
    select as_of from mirror_data.upstream
    where extract(epoch from clock_timestamp()) * 1000 - ${lagMs}::bigint > ${sinceMs} for update`;
  if ((proved?.as_of ?? 0) > sinceMs) await tx`update mirror_data.upstream set as_of = ${sinceMs}`;
}

/** The same for organizations and memberships, after a run has read all of them. */
export async function advanceMembershipsAsOf(sql: Sql | Tx, { clerkMs, ownMs }: Proved): Promise<void> {
  await sql`
    update mirror_data.upstream set memberships_as_of = ${greatestBefore(sql, sql`memberships_as_of`, clerkMs)}
    where ${nothingInDoubt(sql, ownMs)}`;
}

/** A moment in the future was proved before the clock was set back, and no longer counts. */
const greatestBefore = (sql: Sql | Tx, column: ReturnType<Sql>, provedMs: number) => sql`
  greatest(case when ${column} <= extract(epoch from clock_timestamp()) * 1000 then ${column} end, ${provedMs}::bigint)`;

/**
 * A tombstone that something contradicted may have been wrong for long, so nothing is proved until Clerk has
 * answered. Nor is anything proved while a doubt lies in the future: the clock was set back, and nobody knows how old
 * it is.
 */
const nothingInDoubt = (sql: Sql | Tx, provedMs: number) => sql`
  not exists (
    select from mirror_data.refetches
    where since <= ${provedMs} or since > extract(epoch from clock_timestamp()) * 1000 or reason = ${CONTRADICTED})
  and not exists (
    select from mirror_data.dead_letters
    where received_at <= ${provedMs} or received_at > extract(epoch from clock_timestamp()) * 1000
      or id like ${DEAD_OBJECTS})`;
