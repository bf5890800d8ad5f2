import type postgres from "postgres";
import { dropSearchIndex } from "../../src/db/setup/search-index.js";

/**
 * Fills an empty mirror with so many users in some seconds, set by set and by no code of the mirror's: for plans on large tables.
 * Five years of sign-ups, 1 in 20 banned, 1 in 10 never active, 1 in 12 of them in `d0.example`, a plan each
 * (`trial` for 1 in 1,000), 300 organizations, the feed of the last days, as many tombstones as one in ten, and 90 days of
 * activity, of one in ten each day.
 */
export async function fillWithUsers(sql: postgres.Sql, users: number): Promise<void> {
  // Else a trigger completes each user, as one that a process of an earlier version writes.
  await sql`select set_config('user_mirror.schema', '19', false)`;
  await dropSearchIndex(sql);
  for (const statement of statements(users)) await sql.unsafe(statement);
  const tables = await sql<{ name: string }[]>`
    select tablename as name from pg_tables where schemaname = 'mirror_data' and tablename <> '__drizzle_migrations'`;
  await sql.unsafe(`vacuum (analyze) ${tables.map(({ name }) => `mirror_data.${name}`).join(", ")}`);
}

const DAY = 86_400_000;
/** The time of the n-th user's creation: the last one is of today. */
const CREATED = `(now.ms - (now.users - n) * (1826 * ${DAY}::bigint / now.users))`;

const statements = (users: number) => [
  `create temp table person as
    select n, 'user_' || lpad(to_hex(n * 2654435761 % 4294967296), 8, '0') || md5(n::text) as id,
      ${CREATED} as created_at, ${CREATED} + (now.ms - ${CREATED}) * (n * 7919 % 1000) / 1000 as updated_at,
      case when n % 10 > 0 then (now.ms - (n * 7919 % 400) * ${DAY}::bigint) / ${DAY} * ${DAY} end as last_active_at,
      case when n % 10 > 0 then now.ms - (n * 7919 % 400) * ${DAY}::bigint - n % 86400000 end as last_sign_in_at,
      'First' || n % 300 as first_name, 'Last' || n % 3000 as last_name,
      case when n % 2 = 0 then 'Name_' || n end as username,
      case when n % 3 = 0 then '+1555' || lpad(n::text, 7, '0') end as phone,
      'Person.' || n || '@d' || case when n % 12 = 0 then 0 else n % 2500 end || '.example' as email,
      'd' || case when n % 12 = 0 then 0 else n % 2500 end || '.example' as domain,
      n % 20 = 0 as banned, n % 4 = 0 as image,
      jsonb_build_object('plan', case when n % 1000 = 0 then 'trial' when n % 5 = 0 then 'pro' else 'free' end,
        'account', jsonb_build_object('seats', n % 50)) as public,
      case when n % 7 = 0 then jsonb_build_object('theme', 'dark', 'n', n % 100) else '{}' end as unsafe
    from (select (extract(epoch from now()) * 1000)::bigint as ms, ${users}::bigint as users) as now,
      generate_series(1, ${users}::bigint) as n`,
  `insert into mirror_data.users (id, updated_at, observed_at, last_active_at, last_sign_in_at, source, payload_hash, payload,
      private_metadata, username, first_name, last_name, email_address, phone_number, image_url, created_day)
    select id, updated_at, updated_at, last_active_at, last_sign_in_at, 2, md5(id), json_build_object('id', id, 'object', 'user',
        'first_name', first_name, 'last_name', last_name, 'created_at', created_at, 'padding', repeat(md5(id), 20))::text,
      '{"stripe":"' || md5(id) || '"}', username, first_name, last_name, email, phone, 'https://img.example/' || md5(id),
      created_at / ${DAY} from person order by n`,
  `insert into mirror_data.users (id, updated_at, observed_at, deleted_at, source, number, created_day, deleted_day)
    select 'user_gone' || n, updated_at, updated_at, updated_at, 2, null, created_at / ${DAY}, updated_at / ${DAY}
    from person where n % 10 = 0`,
  `insert into mirror_data.user_search (created_at, banned, password_enabled, two_factor_enabled, has_image, search, id,
      email_key, phone_key, username_key, first_name_key, last_name_key, name_search, external_id, email_domains)
    select created_at, banned, true, n % 5 = 0, image, lower(email), id, lower(email), phone, lower(username),
      lower(first_name), lower(last_name), lower(first_name || E'\\n' || last_name), 'ext_' || n, array[domain] from person`,
  `insert into mirror_data.user_grams (id, rare_grams) select id, '{}' from person`,
  `insert into mirror_data.user_activity
      (id, updated_at, last_active_at, last_sign_in_at, created_at, banned, has_image, password_enabled, two_factor_enabled, number)
    select id, p.updated_at, p.last_active_at, p.last_sign_in_at, p.created_at, p.banned, p.image, true, p.n % 5 = 0, u.number
    from person p join mirror_data.users u using (id)`,
  `insert into mirror_data.user_metadata (id, public_metadata, unsafe_metadata, private_metadata, created_at)
    select id, public, unsafe, jsonb_build_object('stripe', md5(id), 'tier', case when n % 1000 = 0 then 'gold' else 'none' end),
      created_at from person`,
  `insert into mirror_data.user_identifiers
      (user_id, kind, value, folded, clerk_id, is_primary, verification_status, created_at, updated_at, detail, domain)
    select id, 'email', email, lower(email), 'idn_' || md5(id), true, 'verified', created_at, created_at, null::jsonb, domain
      from person
    union all
    select id, 'email', 'second.' || email, 'second.' || lower(email), 'idn_2' || md5(id), false, 'unverified', created_at,
      created_at, null, domain from person where n % 5 = 0
    union all
    select id, 'phone', phone, phone, 'idn_3' || md5(id), true, 'verified', created_at, created_at, null, null
      from person where phone is not null
    union all
    select id, 'wallet', '0x' || md5(id), '0x' || md5(id), 'idn_4' || md5(id), false, 'verified', created_at, created_at, null, null
      from person where n % 25 = 0
    union all
    select id, 'account', E'google\\n' || n, E'google\\n' || n, 'eac_' || md5(id), false, 'verified', created_at, created_at,
      jsonb_build_object('provider', 'oauth_google', 'provider_user_id', n::text, 'email_address', email), null
      from person where n % 4 = 0`,
  `insert into mirror_data.organizations (id, updated_at, observed_at, source, payload, name, slug, created_at, public_metadata)
    select 'org_' || n, 1700000000000 + n, 0, 2, json_build_object('id', 'org_' || n, 'name', 'Org ' || n)::text, 'Org ' || n,
      'org-' || n, 1700000000000 + n, jsonb_build_object('tier', n % 3) from generate_series(1, 300) as n`,
  `insert into mirror_data.organization_memberships
      (id, organization_id, user_id, updated_at, observed_at, source, payload, role, created_at, public_metadata)
    select 'orgmem_' || n, 'org_' || 1 + n * 31 % 300, id, created_at, 0, 2, json_build_object('id', 'orgmem_' || n)::text,
      case when n % 9 = 0 then 'org:admin' else 'org:member' end, created_at, '{}' from person where n % 2 = 0`,
  // Three days of it.
  `insert into mirror_data.changes (type, id, version, at)
    select case when n % 100 = 0 then 'user.deleted' else 'user.upserted' end, id, updated_at,
      (extract(epoch from now()) * 1000)::bigint - (${users} - n) * (3 * ${DAY}::bigint / ${users})
    from person order by n`,
  `insert into mirror_data.upstream (api_url, environment, history_since, activity_since)
    select 'https://api.clerk.com', 'test', since, since
    from (select (extract(epoch from now()) * 1000)::bigint - 90 * ${DAY}::bigint as since) as first_day`,
  `select mirror_data.mark_active_days(array_agg(number), array_agg(day))
    from (select number, (ms / ${DAY})::integer as day
        from mirror_data.user_activity, lateral (values (last_active_at), (last_sign_in_at)) as times(ms) where ms is not null
      union all
      select number, day from mirror_data.user_activity,
        generate_series((extract(epoch from now()) / 86400)::integer - 90, (extract(epoch from now()) / 86400)::integer) as day
      where (number::bigint * 7919 + day * 4241) % 10 = 0) as active`,
  `select mirror_data.move_daily_users(array_agg(day), array_agg(created), array_agg(deleted))
    from (select day, sum(created)::integer as created, sum(deleted)::integer as deleted
      from mirror_data.users, lateral (values (created_day, 1, 0), (deleted_day, 0, 1)) as d(day, created, deleted)
      where day is not null group by day) as days`,
  `update mirror_data.counters set n = case name when 'users' then ${users} when 'organizations' then 300 else ${users} / 2 end`,
  "drop table person",
];
