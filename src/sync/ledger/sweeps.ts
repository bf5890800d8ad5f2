import { lockFeed } from "../../changes/feed.js";
import type { Sql, Tx } from "../../db/connection/sql.js";

/** How far the sweeps have come, seen on one day. Days are days since 1970, UTC. */
export interface HeardOfDay {
  /** The first day of whose activity Clerk wasn't asked since it ended. */
  sinceDay: number;
  /** How many are known to have been active on the day. */
  active: number;
  /** When Clerk was last asked how many were active on the day, before its end. Null: it wasn't. */
  countedAtMs: number | null;
}

/** After a longer absence older days are given up: few users have a day that long ago as their last one. */
const MOST_DAYS = 30;

/** Null: no days of activity are kept. Days that a clock which was ahead has swept are swept again. */
export async function heardOfDay(sql: Sql, day: number): Promise<HeardOfDay | null> {
  const [row] = await sql<{ since_day: number; active: number; counted_at: number | null }[]>`
    select least(${day}::integer, greatest(case when first_unswept <= ${day} then first_unswept end,
        activity_since / 86400000, ${day - MOST_DAYS}::integer))::integer as since_day,
      coalesce(d.active, 0) as active, d.active_counted_at as counted_at
    from mirror_data.upstream left join mirror_data.daily_users d on d.day = date '1970-01-01' + ${day}::integer
    where activity_since is not null`;
  return row ? { sinceDay: row.since_day, active: row.active, countedAtMs: row.counted_at } : null;
}

/** In one moment: how many users are known to have been active since then, and how many days of activity there are of this day. */
export async function countActive(
  sql: Sql,
  { sinceMs, day }: { sinceMs: number; day: number },
): Promise<{ users: number; ofDay: number }> {
  const [row] = await sql<{ users: number; of_day: number }[]>`
    select (select count(*) from mirror_data.user_activity where last_active_at >= ${sinceMs})::integer as users,
      coalesce((select active from mirror_data.daily_users where day = date '1970-01-01' + ${day}::integer), 0) as of_day`;
  return { users: row?.users ?? 0, ofDay: row?.of_day ?? 0 };
}

/** Notes that Clerk was asked about a day before its end, and how many must be active on it; null: that isn't known. */
export async function noteCounted(
  tx: Tx,
  { day, atMs, counted }: { day: number; atMs: number; counted: number | null },
): Promise<void> {
  await lockFeed(tx);
  await tx`
    insert into mirror_data.daily_users as d (day, active_counted, active_counted_at)
    values (date '1970-01-01' + ${day}::integer, ${counted}, ${atMs})
    on conflict (day) do update
      set active_counted = excluded.active_counted, active_counted_at = excluded.active_counted_at`;
}

/**
 * Ends the days before `day`: whether everybody whom Clerk showed after them as last active on one of them is here. A day is complete
 * if so, and if as many are here as Clerk counted before it ended; also one that late webhooks have completed since. Returns the
 * days from `sinceDay` on that aren't.
 */
export async function endDays(
  tx: Tx,
  { sinceDay, day, isSwept }: { sinceDay: number; day: number; isSwept: boolean },
): Promise<string[]> {
  // Before the feed's lock, as whoever takes a proof back does.
  await tx`update mirror_data.upstream set first_unswept = ${day}`;
  await lockFeed(tx);
  if (!isSwept) {
    await tx`
      update mirror_data.daily_users set active_counted = null
      where day >= date '1970-01-01' + ${sinceDay}::integer and day < date '1970-01-01' + ${day}::integer`;
  }
  await tx`
    update mirror_data.daily_users set active_complete = true
    where day < date '1970-01-01' + ${day}::integer and active >= active_counted and not active_complete`;
  const rows = await tx<{ day: string }[]>`
    select (date '1970-01-01' + n)::text as day from generate_series(${sinceDay}::integer, ${day - 1}::integer) as n
    where not exists (
      select from mirror_data.daily_users d where d.day = date '1970-01-01' + n and d.active_complete)
    order by n`;
  return rows.map((row) => row.day);
}

/** A sweep that was interrupted: its checkpoint is worth continuing. */
export async function unfinishedSweep(sql: Sql): Promise<string | null> {
  const [row] = await sql<{ id: string }[]>`
    select id from mirror_data.runs where mode = 'sweep' and state = 'queued' order by queued_at desc limit 1`;
  return row?.id ?? null;
}
