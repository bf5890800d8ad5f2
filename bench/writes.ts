import { Webhook } from "svix";
import { textArray } from "../src/db/bulk.js";
import type { Sql } from "../src/db/client.js";
import { timed } from "./http.js";
import { crowd, type Person, storePeople } from "./people.js";
import type { Line } from "./table.js";

const PAGE_USERS = 5000;

/** Users per second through the apply path of walks, and what a webhook's signature costs. */
export async function measureWrites(sql: Sql, users: number, loaded: number | null): Promise<Line[]> {
  // Strangers, who are taken out again.
  const { people: strangers } = await crowd(PAGE_USERS, 100_000_000);
  const walBytes = async (work: () => Promise<unknown>) => {
    const [before] = await sql<{ lsn: string }[]>`select pg_current_wal_insert_lsn()::text as lsn`;
    await work();
    const [row] = await sql<{ n: number }[]>`
      select (pg_current_wal_insert_lsn() - ${before?.lsn ?? ""}::text::pg_lsn)::bigint as n`;
    return row?.n ?? 0;
  };
  const rate = async (work: () => Promise<unknown>) => (PAGE_USERS / (await timed(1, work)).median) * 1000;
  try {
    const fresh = await rate(() => storePeople(sql, strangers));
    const changed = await rate(() => storePeople(sql, strangers.map(renamed)));
    let wal = 0;
    const unchanged = await rate(async () => {
      wal = await walBytes(() => storePeople(sql, strangers.map(renamed)));
    });
    const glance = await glanceRate(sql, strangers);
    const line = (what: string, median: number, goal?: number): Line => ({
      ...{ what, unit: "/s", median, p99Ms: null, reference: null, ratio: null },
      goals: goal === undefined ? [] : [{ text: `≥ ${goal.toLocaleString("en")}/s`, met: median >= goal }],
    });
    return [
      ...(loaded === null
        ? []
        : [line(`${users.toLocaleString("en")} users into empty tables, indexes included`, loaded)]),
      line("new users, trigram index in place", fresh),
      line("changed users", changed, 2000),
      line(`unchanged users, compared in the mirror (${wal} bytes of WAL)`, unchanged),
      line("unchanged users, Postgres' part", glance, 150_000),
    ];
  } finally {
    await remove(sql, strangers);
  }
}

const renamed = (person: Person): Person => ({
  ...person,
  first_name: `${person.first_name} II`,
  updated_at: Number(person.updated_at) + 1,
});

async function glanceRate(sql: Sql, people: readonly Person[]): Promise<number> {
  const ids = people.map(({ id }) => id);
  const { median } = await timed(5, async () => {
    for (let from = 0; from < ids.length; from += 100) {
      await sql.unsafe(
        `select count(*) from (
          select u.id, u.updated_at, u.source, u.private_metadata, u.payload_hash, u.locked_until,
            a.last_active_at, a.last_sign_in_at
          from mirror_data.users u left join mirror_data.user_activity a using (id)
          where u.id = any($1::text::text[]) offset 0) looked`,
        [textArray(ids.slice(from, from + 100))],
      );
    }
  });
  return (ids.length / median) * 1000;
}

/** As if they had never been: the next run begins with as many users as this one. */
async function remove(sql: Sql, people: readonly Person[]): Promise<void> {
  const ids = textArray(people.map(({ id }) => id));
  for (const table of ["users", "user_search", "user_activity", "user_metadata"]) {
    await sql.unsafe(`delete from mirror_data.${table} where id = any($1::text::text[])`, [ids]);
  }
  await sql`delete from mirror_data.user_identifiers where user_id = any(${ids}::text::text[])`;
  await sql`update mirror_data.counters set n = (select count(*) from mirror_data.user_search) where name = 'users'`;
  await sql`delete from mirror_data.refetches`;
}

/** Microseconds that svix takes to verify one event of this size. */
export function svixMicroseconds(secret: string, body: string): number {
  const webhook = new Webhook(secret);
  const now = new Date();
  const headers = {
    "svix-id": "msg_1",
    "svix-timestamp": String(Math.floor(now.getTime() / 1000)),
    "svix-signature": webhook.sign("msg_1", now, body),
  };
  const times = 5000;
  const begun = performance.now();
  for (let n = 0; n < times; n++) webhook.verify(body, headers);
  return ((performance.now() - begun) / times) * 1000;
}
