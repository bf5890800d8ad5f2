import { createConnections } from "../../src/db/connection/connections.js";
import { UNHURRIED } from "../../src/db/connection/session.js";
import { BIGINT_AS_NUMBER, type Sql } from "../../src/db/connection/sql.js";
import { makeCustomer } from "./customers.js";

/** A database of a peer's own, on the server that the mirror's is on. */
export interface PeerDatabase {
  sql: Sql;
  url: string;
  drop(): Promise<void>;
}

/** `sql` is on the server, in any other database. What an earlier run has left under the name is dropped. */
export async function createPeerDatabase(sql: Sql, mirrorUrl: string, peer: string): Promise<PeerDatabase> {
  const url = new URL(mirrorUrl);
  const name = `${decodeURIComponent(url.pathname.slice(1))}_peer_${peer}`;
  const dropIfThere = () => sql`drop database if exists ${sql(name)} with (force)`;
  await dropIfThere();
  await sql`create database ${sql(name)}`;
  url.pathname = `/${encodeURIComponent(name)}`;
  const own = openUnhurried(url.href);
  return {
    ...{ sql: own, url: url.href },
    async drop() {
      await own.end();
      await dropIfThere();
    },
  };
}

/** For what may take minutes. */
export function openUnhurried(url: string): Sql {
  return createConnections(url).open({
    ...{ name: "user-mirror bench", max: 2, limitMs: Number.POSITIVE_INFINITY, settings: UNHURRIED },
    types: BIGINT_AS_NUMBER,
  });
}

/** @supabase/stripe-sync-engine hands a function of its own to this role. Returns how to take the role away again. */
export async function createRolePostgres(sql: Sql): Promise<() => Promise<unknown>> {
  const [found] = await sql`select from pg_roles where rolname = 'postgres'`;
  if (found) return async () => {};
  await sql`create role postgres nologin`;
  return async () => sql`drop role postgres`;
}

const PER_PAGE = 5000;
/** When the engines have heard of each customer last: before any event. */
const LOADED = "2026-01-01T00:00:00Z";

/** Every user of the mirror, as the handler of the guide has them. */
export async function fillGuide(mirror: Sql, { sql }: PeerDatabase): Promise<void> {
  for (let last = ""; ; ) {
    const rows = await mirror<{ id: string }[]>`
      select id, email_address as email, username, first_name, last_name, image_url, last_sign_in_at, created_at, updated_at
      from mirror.users where id > ${last} order by id limit ${PER_PAGE}`;
    if (rows.length === 0) break;
    await sql`
      insert into users
      select * from jsonb_populate_recordset(null::users, ${JSON.stringify(rows)}::text::jsonb)`;
    last = rows.at(-1)?.id ?? "";
  }
  await sql`vacuum (analyze) users`;
}

/** As many customers, in the columns that @supabase/stripe-sync-engine has for them. */
export async function fillSupabases({ sql }: PeerDatabase, customers: number): Promise<void> {
  await eachPage(
    customers,
    (page) => sql`
      insert into stripe.customers
      select filled.* from jsonb_populate_recordset(null::stripe.customers, ${page}::text::jsonb) as given,
        lateral jsonb_populate_record(given, jsonb_build_object(
          'deleted', false, 'updated_at', now(), 'last_synced_at', ${LOADED}::text)) as filled`,
  );
  await sql`vacuum (analyze) stripe.customers`;
}

/** As many customers, whole, as @stripe/sync-engine has them. */
export async function fillStripes({ sql }: PeerDatabase, customers: number): Promise<void> {
  await eachPage(
    customers,
    (page) => sql`
      insert into stripe.customers (_raw_data, _last_synced_at, _account_id)
      select customer, ${LOADED}::text::timestamptz, 'acct_bench' from jsonb_array_elements(${page}::text::jsonb) as customer`,
  );
  await sql`vacuum (analyze) stripe.customers`;
}

async function eachPage(customers: number, store: (page: string) => Promise<unknown>): Promise<void> {
  for (let first = 0; first < customers; first += PER_PAGE) {
    const length = Math.min(PER_PAGE, customers - first);
    await store(JSON.stringify(Array.from({ length }, (_, n) => makeCustomer(first + n))));
  }
}
