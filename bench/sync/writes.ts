import { Webhook } from "svix";
import { jsonTexts, textArray } from "../../src/db/connection/bulk.js";
import type { Sql } from "../../src/db/connection/sql.js";
import { DERIVED_TABLES } from "../../src/db/tables/registry.js";
import { sleep } from "../../src/lib/async.js";
import { applyItems } from "../../src/sync/apply/apply.js";
import type { Item } from "../../src/sync/apply/batch.js";
import { userSnapshot } from "../../src/sync/fold/snapshot.js";
import { COMPARED_AT_ONCE } from "../../src/sync/reconcile/apply-page.js";
import { STORED_USERS } from "../../src/sync/reconcile/unchanged.js";
import { crowd, type Loading, storePeople } from "../people/load.js";
import type { Person } from "../people/pass.js";
import { AT_ONCE, type Pass, PER_PAGE, pass } from "../people/pass.js";
import { type Line, median, percentile } from "../report/table.js";

const PEOPLE = 5000;
const REPEATS = 3;
/** As many webhooks as a group commit holds under load. */
const PER_BATCH = 32;
/** What pages of users write. */
const TABLES = { users: "id", ...DERIVED_TABLES };

type Passes = Record<
  "bareFresh" | "bareChanged" | "fresh" | "changed" | "unchanged" | "comparison" | "active",
  Pass[]
>;

/** Users a second through the apply path of walks, beside the least that Postgres does for the same. */
export async function measureWrites(sql: Sql, users: number, loaded: Loading | null): Promise<Line[]> {
  // Strangers, who are removed again.
  const { people } = crowd(PEOPLE, 100_000_000);
  const changed = people.map(renamed);
  const passes: Passes = {
    bareFresh: [],
    bareChanged: [],
    fresh: [],
    changed: [],
    unchanged: [],
    comparison: [],
    active: [],
  };
  let searchWritten = 0;
  await sql.unsafe(`
    create schema if not exists bench;
    drop table if exists bench.payloads;
    create table bench.payloads (id text collate "C" primary key, payload text not null)`);
  try {
    for (let repeat = 0; repeat < REPEATS; repeat++) {
      await remove(sql, people);
      await sql`truncate bench.payloads`;
      passes.bareFresh.push(await pass(sql, people, (page) => storeBare(sql, page)));
      passes.bareChanged.push(await pass(sql, changed, (page) => storeBare(sql, page)));
      passes.fresh.push(await pass(sql, people, (page) => storePeople(sql, page)));
      passes.changed.push(await pass(sql, changed, (page) => storePeople(sql, page)));
      await settle(sql);
      passes.unchanged.push(await pass(sql, changed, (page) => storePeople(sql, page)));
      passes.comparison.push(await pass(sql, changed, (page) => compare(sql, page)));
      const before = await searchVersions(sql, people);
      passes.active.push(
        await pass(sql, changed.map(active), (batch) => applyEvents(sql, batch), { perPage: PER_BATCH }),
      );
      const after = await searchVersions(sql, people);
      searchWritten += people.filter(({ id }) => before.get(id) !== after.get(id)).length;
    }
  } finally {
    await remove(sql, people);
    await vacuum(sql);
    await sql`drop table bench.payloads`;
  }
  return linesOf(passes, users, loaded, searchWritten);
}

const renamed = (person: Person): Person => ({
  ...person,
  first_name: `${person.first_name} II`,
  updated_at: Number(person.updated_at) + 1,
});

/** The same users, seen again a minute later. */
const active = (person: Person): Person => {
  const at = Number(person.updated_at) + 60_000;
  return { ...person, updated_at: at, last_active_at: at };
};

let messages = 0;

/** As webhooks that arrived while the batch before was under way. */
const applyEvents = (sql: Sql, people: readonly Person[]) =>
  applyItems(
    sql,
    people.map(
      (person): Item => ({
        delivery: {
          messageId: `msg_bench_${process.pid}_write_${++messages}`,
          type: "user.updated",
          userId: person.id,
          outcome: "applied",
        },
        users: [userSnapshot(person, "webhook", Number(person.updated_at))],
      }),
    ),
    { lagMs: 0 },
  );

/** The place of each user's row: another after every write. */
async function searchVersions(sql: Sql, people: readonly Person[]): Promise<Map<string, string>> {
  const ids = textArray(people.map(({ id }) => id));
  const rows = await sql<{ id: string; version: string }[]>`
    select id, concat(ctid, xmin) as version from mirror_data.user_search where id = any(${ids}::text::text[])`;
  return new Map(rows.map(({ id, version }) => [id, version]));
}

/** The reference: a table with nothing but the payloads. */
async function storeBare(sql: Sql, page: readonly Person[]): Promise<void> {
  const ids = textArray(page.map(({ id }) => id));
  const payloads = jsonTexts(page.map((person) => JSON.stringify(person)));
  await sql`
    insert into bench.payloads
    select * from unnest(${ids}::text::text[], string_to_array(${payloads}::text, E'\\x1f'))
    on conflict (id) do update set payload = excluded.payload`;
}

/** Postgres' part of a page without news: the statements as the mirror sends them, the rows left as they arrive. */
async function compare(sql: Sql, page: readonly Person[]): Promise<void> {
  for (let from = 0; from < page.length; from += COMPARED_AT_ONCE) {
    const ids = textArray(page.slice(from, from + COMPARED_AT_ONCE).map(({ id }) => id));
    await sql.unsafe(STORED_USERS, [ids], { prepare: true }).raw();
  }
}

/**
 * The first reader of a page of a table tidies it up after those who wrote there, and writes WAL for that. After a
 * vacuum there is nothing to tidy. Autovacuum must have ended too, because WAL is counted for the whole server.
 */
async function settle(sql: Sql): Promise<void> {
  await vacuum(sql);
  for (let waited = 0; waited < 60; waited++) {
    const [row] = await sql<{ n: number }[]>`
      select count(*)::bigint as n from pg_stat_activity where backend_type = 'autovacuum worker'`;
    if (!row?.n) return;
    await sleep(1000);
  }
}

async function vacuum(sql: Sql): Promise<void> {
  for (const table of Object.keys(TABLES)) await sql.unsafe(`vacuum mirror_data.${table}`);
}

/** Removes them without a trace, so that the next run begins with as many users as this one. */
async function remove(sql: Sql, people: readonly Person[]): Promise<void> {
  const ids = textArray(people.map(({ id }) => id));
  for (const [table, key] of Object.entries(TABLES)) {
    // Joined, because an array of thousands would be compared one by one with every row of a table that is read from
    // end to end.
    await sql.unsafe(`delete from mirror_data.${table} where ${key} in (select unnest($1::text::text[]))`, [
      ids,
    ]);
  }
  await sql`update mirror_data.counters set n = (select count(*) from mirror_data.user_search) where name = 'users'`;
  await sql`delete from mirror_data.refetches`;
}

function linesOf(passes: Passes, users: number, loaded: Loading | null, searchWritten: number): Line[] {
  const bareFresh = lineOf("payloads alone, new", passes.bareFresh);
  const bareChanged = lineOf("payloads alone, changed", passes.bareChanged);
  const comparison = lineOf("unchanged users, Postgres' part", passes.comparison, { goal: 150_000 });
  const wal = median(passes.unchanged.map(({ walBytes }) => walBytes));
  const unchanged = lineOf("unchanged users", passes.unchanged, { reference: comparison });
  const active = lineOf(`users active again, ${PER_BATCH} webhooks at a time`, passes.active);
  const activeWal = median(passes.active.map(({ walBytes }) => walBytes)) / PEOPLE / 1000;
  return [
    ...(loaded === null ? [] : loadingLines(users, loaded)),
    bareFresh,
    lineOf("new users, trigram index in place", passes.fresh, { reference: bareFresh }),
    bareChanged,
    lineOf("changed users", passes.changed, { reference: bareChanged, goal: 4000 }),
    comparison,
    { ...unchanged, goals: [{ text: `0 bytes of WAL (is ${wal.toLocaleString("en")})`, met: wal === 0 }] },
    {
      ...active,
      goals: [
        { text: `WAL ≤ 10 KB each (is ${activeWal.toFixed(1)})`, met: activeWal <= 10 },
        { text: `0 rows of user_search written (is ${searchWritten})`, met: searchWritten === 0 },
      ],
    },
  ];
}

function loadingLines(users: number, { storing, inAll }: Loading): Line[] {
  const line = (what: string, perSecond: number): Line => ({
    ...{ what: `${users.toLocaleString("en")} users into empty tables, ${what}`, unit: "/s" },
    ...{ median: perSecond, p99Ms: null, reference: null, ratio: null, goals: [] },
  });
  const goals = [{ text: "≥ 8,000/s", met: storing >= 8000 }];
  return [{ ...line("keys alone indexed", storing), goals }, line("with memberships and all indexes", inAll)];
}

function lineOf(
  what: string,
  passes: readonly Pass[],
  { reference, goal }: { reference?: Line; goal?: number } = {},
): Line {
  const rate = median(passes.map(({ perSecond }) => perSecond));
  const pagesMs = passes.flatMap((one) => one.pagesMs);
  return {
    ...{ what, unit: "/s", median: rate, p99Ms: percentile(pagesMs, 0.99) },
    ...{ reference: reference?.what ?? null, ratio: reference ? rate / reference.median : null },
    goals: goal === undefined ? [] : [{ text: `≥ ${goal.toLocaleString("en")}/s`, met: rate >= goal }],
  };
}

/** What the section says about its figures. */
export const WRITES_NOTE = `Medians of ${REPEATS} passes over ${PEOPLE.toLocaleString("en")} users, ${AT_ONCE} pages of ${PER_PAGE} at a time; p99: of a page.`;

/** How many microseconds svix takes to verify one event of this size. */
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
