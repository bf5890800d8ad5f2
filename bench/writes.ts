import { Webhook } from "svix";
import { jsonTexts, textArray } from "../src/db/bulk.js";
import type { Sql } from "../src/db/client.js";
import { sleep } from "../src/lib/async.js";
import { LOOKED_AT_ONCE } from "../src/sync/pages.js";
import { USER_GLANCE } from "../src/sync/prefilter.js";
import { crowd, type Person, storePeople } from "./people.js";
import { type Line, median, percentile } from "./table.js";

const PEOPLE = 5000;
const PER_PAGE = 500;
/** As many pages as a backfill keeps under way. */
const AT_ONCE = 2;
const REPEATS = 3;
/** What pages of users write. */
const TABLES = ["users", "user_search", "user_grams", "user_activity", "user_metadata", "user_identifiers"];

/** One pass over all people: how long it took, how long each page, and how much WAL it wrote. */
interface Pass {
  perSecond: number;
  pagesMs: number[];
  walBytes: number;
}

type Passes = Record<"bareFresh" | "bareChanged" | "fresh" | "changed" | "unchanged" | "glance", Pass[]>;

/** Users per second through the apply path of walks, beside the least that Postgres does for the same. */
export async function measureWrites(sql: Sql, users: number, loaded: number | null): Promise<Line[]> {
  // Strangers, who are taken out again.
  const { people } = crowd(PEOPLE, 100_000_000);
  const changed = people.map(renamed);
  const passes: Passes = {
    bareFresh: [],
    bareChanged: [],
    fresh: [],
    changed: [],
    unchanged: [],
    glance: [],
  };
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
      passes.glance.push(await pass(sql, changed, (page) => glanceAt(sql, page), 1));
    }
  } finally {
    await remove(sql, people);
    await vacuum(sql);
    await sql`drop table bench.payloads`;
  }
  return linesOf(passes, users, loaded);
}

const renamed = (person: Person): Person => ({
  ...person,
  first_name: `${person.first_name} II`,
  updated_at: Number(person.updated_at) + 1,
});

async function pass(
  sql: Sql,
  people: readonly Person[],
  store: (page: readonly Person[]) => Promise<void>,
  atOnce = AT_ONCE,
): Promise<Pass> {
  const pages = Array.from({ length: Math.ceil(people.length / PER_PAGE) }, (_, n) =>
    people.slice(n * PER_PAGE, (n + 1) * PER_PAGE),
  );
  const pagesMs: number[] = [];
  const work = async () => {
    for (let page = pages.shift(); page; page = pages.shift()) {
      const begun = performance.now();
      await store(page);
      pagesMs.push(performance.now() - begun);
    }
  };
  const lsn = await walPosition(sql);
  const begun = performance.now();
  await Promise.all(Array.from({ length: atOnce }, work));
  const perSecond = (people.length / (performance.now() - begun)) * 1000;
  return { perSecond, pagesMs, walBytes: await walSince(sql, lsn) };
}

async function walPosition(sql: Sql): Promise<string> {
  const [row] = await sql<{ lsn: string }[]>`select pg_current_wal_insert_lsn()::text as lsn`;
  return row?.lsn ?? "";
}

async function walSince(sql: Sql, lsn: string): Promise<number> {
  const [row] = await sql<{ n: number }[]>`
    select (pg_current_wal_insert_lsn() - ${lsn}::text::pg_lsn)::bigint as n`;
  return row?.n ?? 0;
}

/** The reference: a table of its own for the payloads, and nothing derived from them. */
async function storeBare(sql: Sql, page: readonly Person[]): Promise<void> {
  const ids = textArray(page.map(({ id }) => id));
  const payloads = jsonTexts(page.map((person) => JSON.stringify(person)));
  await sql`
    insert into bench.payloads
    select * from unnest(${ids}::text::text[], string_to_array(${payloads}::text, E'\\x1f'))
    on conflict (id) do update set payload = excluded.payload`;
}

/** Postgres' part of a page that says nothing new: the statements as the mirror sends them, the rows left as they come. */
async function glanceAt(sql: Sql, page: readonly Person[]): Promise<void> {
  for (let from = 0; from < page.length; from += LOOKED_AT_ONCE) {
    const ids = textArray(page.slice(from, from + LOOKED_AT_ONCE).map(({ id }) => id));
    await sql.unsafe(USER_GLANCE, [ids], { prepare: true }).raw();
  }
}

/**
 * Whoever reads a page of a table tidies it up after those who wrote there, and writes WAL for it: after a vacuum there's
 * nothing to tidy. Autovacuum has to have ended too, for WAL is counted for the whole server.
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
  for (const table of TABLES) await sql.unsafe(`vacuum mirror_data.${table}`);
}

/** As if they had never been: the next run begins with as many users as this one. */
async function remove(sql: Sql, people: readonly Person[]): Promise<void> {
  const ids = textArray(people.map(({ id }) => id));
  for (const table of TABLES) {
    const id = table === "user_identifiers" ? "user_id" : "id";
    // Joined: an array of thousands is compared one by one with every row of a table that is read from end to end.
    await sql.unsafe(`delete from mirror_data.${table} where ${id} in (select unnest($1::text::text[]))`, [
      ids,
    ]);
  }
  await sql`update mirror_data.counters set n = (select count(*) from mirror_data.user_search) where name = 'users'`;
  await sql`delete from mirror_data.refetches`;
}

function linesOf(passes: Passes, users: number, loaded: number | null): Line[] {
  const bareFresh = lineOf("payloads alone, new", passes.bareFresh);
  const bareChanged = lineOf("payloads alone, changed", passes.bareChanged);
  const glance = lineOf("unchanged users, Postgres' part", passes.glance, { goal: 150_000 });
  const wal = median(passes.unchanged.map(({ walBytes }) => walBytes));
  const unchanged = lineOf("unchanged users", passes.unchanged, { reference: glance });
  const loading: Line = {
    ...{ what: `${users.toLocaleString("en")} users into empty tables, indexes included`, unit: "/s" },
    ...{ median: loaded ?? 0, p99Ms: null, reference: null, ratio: null, goals: [] },
  };
  return [
    ...(loaded === null ? [] : [loading]),
    bareFresh,
    lineOf("new users, trigram index in place", passes.fresh, { reference: bareFresh }),
    bareChanged,
    lineOf("changed users", passes.changed, { reference: bareChanged, goal: 2000 }),
    glance,
    { ...unchanged, goals: [{ text: `0 bytes of WAL (is ${wal.toLocaleString("en")})`, met: wal === 0 }] },
  ];
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

/** What the section says of its figures. */
export const WRITES_NOTE = `Medians of ${REPEATS} passes over ${PEOPLE.toLocaleString("en")} users, ${AT_ONCE} pages of ${PER_PAGE} at a time; p99: of a page.`;

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
