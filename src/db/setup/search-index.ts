import type postgres from "postgres";
import { textArray } from "../connection/bulk.js";
import { codeOf } from "../connection/trouble.js";
import { PUT_OFF, type PutOffIndex } from "./put-off-indexes.js";

type AnySql = postgres.Sql | postgres.TransactionSql;

/** A user's id, folded, as it stands in `user_search.search`: ids are of ASCII (`clerk.ts`). */
export const foldedId = (table = "") => `lower(${table}id collate "C")`;

/** The trigram indexes, one for each part of what is searched: identifiers, names, ids. */
const INDEXES = {
  user_search_identifiers: { table: "user_search", column: "identifier_search", key: "identifier_search" },
  user_names_trigrams: { table: "user_names", column: "name_search", key: "name_search" },
  user_ids_trigrams: { table: "user_ids", column: "id", key: foldedId() },
} as const;
type Index = keyof typeof INDEXES;
const NAMES = Object.keys(INDEXES) as Index[];

/**
 * Of earlier versions: of `user_search`, and with names in them. While one of them is there, a changed name is written to all indexes of
 * that table. Processes of theirs that still run search and order without them, by looking, and make those of trigrams again after a
 * minute; they are dropped again until the last of these processes has ended.
 */
const SUPERSEDED_TRIGRAMS = ["user_search_trigrams", "user_search_terms", "user_search_names"];
const SUPERSEDED = [...SUPERSEDED_TRIGRAMS, "user_search_first_name", "user_search_last_name"];

/** All indexes in which changes wait until somebody works them in. */
const TIDIED = [
  ...NAMES,
  ...SUPERSEDED_TRIGRAMS,
  "user_grams_rare_grams",
  "user_search_email_domains",
  "user_search_providers",
];

/**
 * How much may wait to be worked into a trigram index. The statement that fills this list must work all of it in
 * before it ends, which takes 200 ms for 2 MiB. So the list is emptied every two seconds (`tidySearchIndexes`), long
 * before it is full.
 */
const PENDING_KB = 16 * 1024;

/** All processes of all versions must use this number, so that only one of them makes the index at a time. */
const BUILD_LOCK = 7_310_214_403;

/**
 * A transaction that is older than the index may still use it. If that takes too long, the work is left to another
 * time.
 */
const OLD_SNAPSHOTS_TIMEOUT = { atOnce: "30s", inTheBackground: "10min" } as const;

/**
 * Makes the trigram indexes for partial matches where nobody is kept waiting: in a new or an emptied database. They are
 * made by hand because pg_trgm's operator class must be named by the schema in which the extension happens to be. A schema that
 * was brought only up to an earlier version lacks some of the columns.
 */
export async function createSearchIndex(sql: AnySql): Promise<void> {
  for (const name of NAMES) {
    const { table, column } = INDEXES[name];
    const [known] = await sql`
      select from information_schema.columns
      where table_schema = 'mirror_data' and table_name = ${table} and column_name = ${column}`;
    if (!known) continue;
    await sql.unsafe(`create index if not exists ${name} ${await definition(sql, name)}`);
  }
  await drop(sql, SUPERSEDED);
}

async function definition(sql: AnySql, name: Index): Promise<string> {
  const schema = await trigramSchema(sql);
  const { table, key } = INDEXES[name];
  return `on mirror_data.${table} using gin ((${key}) ${schema}.gin_trgm_ops)
    with (gin_pending_list_limit = ${PENDING_KB})`;
}

/**
 * Whether the indexes are there and complete, those that a first load puts off too, and none that they supersede; a build that
 * failed leaves one that isn't. Takes no lock on them.
 */
export async function hasSearchIndex(sql: AnySql): Promise<boolean> {
  for (const name of NAMES) if ((await lookAtIndex(sql, name)) !== "complete") return false;
  if ((await putOffIndexes(sql)).length > 0) return false;
  for (const name of SUPERSEDED) if ((await lookAtIndex(sql, name)) !== "missing") return false;
  return true;
}

/** Those of `PUT_OFF` that are missing or unfinished. */
async function putOffIndexes(sql: AnySql): Promise<PutOffIndex[]> {
  const names = textArray(PUT_OFF.map(({ name }) => name));
  const there = await sql<{ name: string }[]>`
    select c.relname as name
    from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_index i on i.indexrelid = c.oid
    where n.nspname = 'mirror_data' and c.relname = any(${names}::text::text[]) and i.indisvalid`;
  const complete = new Set(there.map(({ name }) => name));
  return PUT_OFF.filter(({ name }) => !complete.has(name));
}

async function lookAtIndex(
  sql: AnySql,
  name: string,
): Promise<"missing" | "unfinished" | "untuned" | "complete"> {
  const [found] = await sql<{ valid: boolean; tuned: boolean }[]>`
    select i.indisvalid as valid,
      coalesce(c.reloptions @> array[${`gin_pending_list_limit=${PENDING_KB}`}::text], false) as tuned
    from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_index i on i.indexrelid = c.oid
    where n.nspname = 'mirror_data' and c.relname = ${name}`;
  if (!found) return "missing";
  if (!found.valid) return "unfinished";
  return found.tuned ? "complete" : "untuned";
}

/**
 * Makes the indexes while everything else goes on, unless another process does. `own` is one connection. Without them
 * searches are slow but right. Throws if one can't be made; nothing is left behind of it then.
 */
export async function buildSearchIndex(
  own: postgres.Sql,
  when: keyof typeof OLD_SNAPSHOTS_TIMEOUT,
): Promise<void> {
  if (await hasSearchIndex(own)) return;
  const [lock] = await own<{ mine: boolean }[]>`
    select pg_try_advisory_lock(${BUILD_LOCK}::bigint) as mine,
      set_config('lock_timeout', ${OLD_SNAPSHOTS_TIMEOUT[when]}, false)`;
  if (!lock?.mine) return;
  try {
    const putOff = await putOffIndexes(own);
    for (const { name, definition } of putOff) await buildConcurrently(own, name, definition);
    for (const name of NAMES) await build(own, name);
    for (const name of SUPERSEDED) await dropConcurrently(own, name);
    // Where everything is made at once, the tables are vacuumed and analyzed next.
    if (when === "inTheBackground") await takeStatistics(own, putOff);
  } finally {
    await own`select pg_advisory_unlock(${BUILD_LOCK}::bigint)`.catch(() => {});
  }
}

/** Without those of what is indexed, Postgres takes every term for as common as the next one. */
async function takeStatistics(sql: postgres.Sql, built: readonly PutOffIndex[]): Promise<void> {
  for (const table of new Set([...Object.values(INDEXES), ...built].map(({ table }) => table))) {
    await sql.unsafe(`analyze (skip_locked) mirror_data.${table}`).catch(() => {});
  }
}

async function build(sql: postgres.Sql, name: Index): Promise<void> {
  if ((await lookAtIndex(sql, name)) === "untuned") {
    await sql.unsafe(`alter index mirror_data.${name} set (gin_pending_list_limit = ${PENDING_KB})`);
    return;
  }
  await buildConcurrently(sql, name, await definition(sql, name));
}

/** Makes an index of this name, unless it is there and complete. Throws if it can't; nothing is left behind of it then. */
export async function buildConcurrently(sql: postgres.Sql, name: string, definition: string): Promise<void> {
  const found = await lookAtIndex(sql, name);
  if (found === "complete" || found === "untuned") return;
  if (found === "unfinished") await dropConcurrently(sql, name);
  const create = `create index concurrently ${name} ${definition}`;
  try {
    await sql.unsafe(create);
  } catch (error) {
    await dropConcurrently(sql, name);
    if (!isShortOfResources(error)) throw error;
    // Workers share memory, and a container may have next to none of it (/dev/shm). Without workers it takes longer.
    await withoutWorkers(sql, () => sql.unsafe(create)).catch(async (again) => {
      await dropConcurrently(sql, name);
      throw again;
    });
  }
}

const dropConcurrently = (sql: postgres.Sql, name: string) =>
  sql.unsafe(`drop index concurrently if exists mirror_data.${name}`);

async function withoutWorkers(sql: postgres.Sql, work: () => Promise<unknown>): Promise<void> {
  await sql`select set_config('max_parallel_maintenance_workers', '0', false)`;
  try {
    await work();
  } finally {
    await sql.unsafe("reset max_parallel_maintenance_workers").catch(() => {});
  }
}

const isShortOfResources = (error: unknown) => codeOf(error).startsWith("53");

/** Works in what waits. Does nothing about an index that isn't there. Takes no lock that anybody waits for. */
export async function tidySearchIndexes(sql: postgres.Sql): Promise<void> {
  await sql`
    select gin_clean_pending_list(c.oid)
    from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_index i on i.indexrelid = c.oid
    where n.nspname = 'mirror_data' and c.relname = any(${textArray(TIDIED)}::text::text[]) and i.indisvalid`;
}

/** A first load is four times faster without the trigram indexes. `buildSearchIndex` makes them afterwards. */
export const dropSearchIndex = (sql: AnySql) => drop(sql, [...NAMES, ...SUPERSEDED]);

/** Before a first load that is large: these, and all others that `buildSearchIndex` makes afterwards. */
export const dropPutOffIndexes = (sql: AnySql) =>
  drop(sql, [...NAMES, ...SUPERSEDED, ...PUT_OFF.map(({ name }) => name)]);

async function drop(sql: AnySql, names: readonly string[]): Promise<void> {
  await sql.unsafe(`drop index if exists ${names.map((name) => `mirror_data.${name}`).join(", ")}`);
}

/** Makes what a load that didn't end has left out, where nobody is kept waiting: in an emptied database. */
export async function createPutOffIndexes(sql: AnySql): Promise<void> {
  for (const { name, definition } of await putOffIndexes(sql)) {
    await sql.unsafe(`drop index if exists mirror_data.${name}`);
    await sql.unsafe(`create index ${name} ${definition}`);
  }
}

/** Whether this database's trigrams contain letters other than a-z: LC_CTYPE tells pg_trgm what is a letter. */
export async function hasLettersBeyondAscii(sql: postgres.Sql): Promise<boolean> {
  const [row] = await sql.unsafe(`select cardinality(${await trigramSchema(sql)}.show_trgm('é')) > 0 as has`);
  return row?.has === true;
}

/** Where the extension pg_trgm is, quoted. */
export async function trigramSchema(sql: AnySql): Promise<string> {
  const [extension] = await sql<{ schema: string }[]>`
    select quote_ident(n.nspname) as schema
    from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'pg_trgm'`;
  return extension?.schema ?? "public";
}
