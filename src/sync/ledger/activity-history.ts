import { lockFeed } from "../../changes/feed.js";
import type { Sql } from "../../db/connection/sql.js";
import { isReadOnly } from "../../db/connection/trouble.js";

/**
 * Turns the history of activity on or off for all processes: the database remembers it, and whatever marks a day looks there. Off
 * removes what was kept. On leaves the days that the stored times tell of to `markStoredDays`. Costs one statement where nothing is to be
 * done; a standby is left as it is.
 */
export async function switchActivityHistory(sql: Sql, isOn: boolean): Promise<void> {
  await (isOn ? turnOn(sql) : turnOff(sql)).catch((error) => {
    if (!isReadOnly(error)) throw error;
  });
}

const turnOn = (sql: Sql) => sql`
  update mirror_data.upstream
  set activity_since = extract(epoch from clock_timestamp()) * 1000, activity_marked_to = ''
  where activity_since is null`;

const turnOff = (sql: Sql) =>
  sql.begin(async (tx) => {
    const { count } = await tx`
      update mirror_data.upstream set activity_since = null, activity_marked_to = null
      where activity_since is not null`;
    if (count === 0) return;
    await lockFeed(tx);
    await tx`delete from mirror_data.active_days`;
    await tx`
      update mirror_data.daily_users set active = 0, active_complete = false, active_counted = null
      where active > 0 or active_complete or active_counted is not null`;
  });

/**
 * Says that the history of activity reaches further back than the mirror has run. Whoever says so has applied every visit since then.
 * Changes nothing where no history is kept.
 */
export async function reachBackTo(sql: Sql, sinceMs: number): Promise<void> {
  await sql`update mirror_data.upstream set activity_since = ${sinceMs}::bigint where activity_since > ${sinceMs}::bigint`;
}

/** Whoever commits a change meanwhile waits for one batch. */
const BATCH = 2000;

/**
 * After the history was turned on: marks the days that the stored times of the next users tell of, since a visit on one of them
 * wouldn't be marked again. Several processes may do this at a time. Returns whether there are more; a crash loses nothing.
 */
export async function markStoredDays(sql: Sql): Promise<boolean> {
  const [begun] = await sql`select from mirror_data.upstream where activity_marked_to is not null`;
  if (!begun) return false;
  return sql.begin(async (tx) => {
    // Before the feed's lock, as whoever takes a proof back does.
    const [at] = await tx<{ id: string }[]>`
      select activity_marked_to as id from mirror_data.upstream where activity_marked_to is not null for no key update`;
    if (!at) return false;
    await lockFeed(tx);
    const [marked] = await tx<{ last: string | null }[]>`
      with next as materialized (
        select id, number, last_active_at, last_sign_in_at from mirror_data.user_activity
        where id > ${at.id} order by id limit ${BATCH}
      ), times as (
        select number, (ms / 86400000)::integer as day from next, lateral (values (last_active_at), (last_sign_in_at)) as t(ms)
        where number is not null and ms >= 0
      )
      select max(id) as last, mirror_data.mark_active_days(
        (select array_agg(number order by day, number) from times), (select array_agg(day order by day, number) from times))
      from next`;
    const last = marked?.last ?? null;
    await tx`update mirror_data.upstream set activity_marked_to = ${last}`;
    return last !== null;
  });
}
