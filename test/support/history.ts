import type { Sql } from "../../src/db/connection/sql.js";

/** Notes the bits that are taken away: what was active then stays counted, and nothing else says how much that is. */
export async function noteForgottenDays(sql: Sql): Promise<void> {
  await sql.unsafe(`
    create schema if not exists audit;
    create table if not exists audit.forgotten (day date, n bigint);
    create or replace function audit.note() returns trigger language plpgsql as $$
    begin
      insert into audit.forgotten values (new.day, bit_count(old.bits & ~new.bits));
      return null;
    end $$;
    create or replace trigger note after update on mirror_data.active_days for each row execute function audit.note();
    truncate audit.forgotten`);
}

/**
 * What the history says otherwise than counting gives, in one snapshot of the database: days whose numbers differ, and users
 * whose number, bits or stored days aren't as they must be. After `noteForgottenDays` the number of active users is compared too.
 */
export async function historyProblems(sql: Sql): Promise<unknown[]> {
  const [audit] = await sql<{ has: boolean }[]>`select to_regclass('audit.forgotten') is not null as has`;
  const rows = await sql.unsafe(`
    with told as (
      select created_day as day, 1 as created, 0 as deleted, 0::bigint as active from mirror_data.users
      union all select deleted_day, 0, 1, 0 from mirror_data.users
      union all select day - date '1970-01-01', 0, 0, bit_count(bits) from mirror_data.active_days
      ${audit?.has ? "union all select day - date '1970-01-01', 0, 0, n from audit.forgotten" : ""}
    ), counted as (
      select day, sum(created) as created, sum(deleted) as deleted, sum(active) as active
      from told where day is not null group by day
    ), kept as (
      select day - date '1970-01-01' as day, created, deleted, active from mirror_data.daily_users
    ), live as (
      select u.*, a.number as copied, s.created_at / 86400000 as told_day
      from mirror_data.users u left join mirror_data.user_activity a using (id) left join mirror_data.user_search s using (id)
    ), marked as (
      select count(*) as n, count(distinct (user_id, day)) as distinct_n from mirror.user_activity_days
    )
    select 'day ' || coalesce(counted.day, kept.day) || ': ' || kept::text || ' instead of ' || counted::text as problem
    from counted full join kept using (day)
    where (coalesce(counted.created, 0), coalesce(counted.deleted, 0)${audit?.has ? ", coalesce(counted.active, 0)" : ""})
      is distinct from (coalesce(kept.created, 0), coalesce(kept.deleted, 0)${audit?.has ? ", coalesce(kept.active, 0)" : ""})
    union all
    select 'users: ' || c.n || ' instead of ' || sum(created - deleted) from kept, mirror_data.counters c
    where c.name = 'users' group by c.n having c.n <> sum(created - deleted)
    union all
    select 'numbers of ' || id from live
    where (payload is not null) <> (number is not null) or number is distinct from copied
      or (payload is not null and (created_day is distinct from told_day or deleted_day is not null))
    union all
    select 'number ' || number || ' twice' from live where number is not null group by number having count(*) > 1
    union all
    select 'day of ' || id || ' not marked' from live, lateral (values (last_active_at), (last_sign_in_at)) as t(ms)
    where number is not null and ms >= 0 and not exists (
      select from mirror_data.active_days a where a.day = date '1970-01-01' + (ms / 86400000)::integer
        and a.chunk = number / 1024 and get_bit(a.bits, number % 1024) = 1)
    union all
    select 'bits of nobody: ' || sum(bit_count(bits)) || ' instead of ' || marked.n from mirror_data.active_days, marked
    group by marked.n, marked.distinct_n having sum(bit_count(bits)) <> marked.n or marked.n <> marked.distinct_n`);
  return rows.map(({ problem }) => problem);
}
