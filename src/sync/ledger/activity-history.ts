import { lockFeed } from "../../changes/feed.js";
import type { Sql } from "../../db/connection/sql.js";
import { isReadOnly } from "../../db/connection/trouble.js";

/**
 * Turns the history of activity on or off for all processes: the database remembers it, and whatever marks a day looks there. Off
 * removes what was kept. On begins with the days that the stored times tell of, since a visit on one of them wouldn't be marked
 * again. Costs one statement where nothing is to be done; a standby is left as it is.
 */
export async function switchActivityHistory(sql: Sql, isOn: boolean): Promise<void> {
  await (isOn ? turnOn(sql) : turnOff(sql)).catch((error) => {
    if (!isReadOnly(error)) throw error;
  });
}

const turnOn = (sql: Sql) =>
  sql.begin(async (tx) => {
    const { count } = await tx`
      update mirror_data.upstream set activity_since = extract(epoch from clock_timestamp()) * 1000
      where activity_since is null`;
    if (count === 0) return;
    await lockFeed(tx);
    await tx`
      select mirror_data.mark_active_days(array_agg(number), array_agg((ms / 86400000)::integer))
      from mirror_data.user_activity, lateral (values (last_active_at), (last_sign_in_at)) as times(ms)
      where number is not null and ms >= 0`;
  });

const turnOff = (sql: Sql) =>
  sql.begin(async (tx) => {
    const { count } = await tx`
      update mirror_data.upstream set activity_since = null where activity_since is not null`;
    if (count === 0) return;
    await lockFeed(tx);
    await tx`delete from mirror_data.active_days`;
    await tx`
      update mirror_data.daily_users set active = 0, active_complete = false, active_counted = null
      where active > 0 or active_complete or active_counted is not null`;
  });
