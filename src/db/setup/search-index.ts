import type postgres from "postgres";
import { codeOf } from "../connection/trouble.js";

type AnySql = postgres.Sql | postgres.TransactionSql;

const NAME = "user_search_trigrams";

/**
 * How much may wait to be worked into the trigram index. The statement that fills this list must work all of it in
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
 * Makes the trigram index for partial matches where nobody is kept waiting: in a new or an emptied database. It is
 * made by hand because pg_trgm's operator class must be named by the schema in which the extension happens to be.
 */
export async function createSearchIndex(sql: AnySql): Promise<void> {
  await sql.unsafe(`create index if not exists ${NAME} ${await definition(sql)}`);
}

async function definition(sql: AnySql): Promise<string> {
  const schema = await trigramSchema(sql);
  return `on mirror_data.user_search using gin (search ${schema}.gin_trgm_ops)
    with (gin_pending_list_limit = ${PENDING_KB})`;
}

/** Whether the index is there and complete; a build that failed leaves one that isn't. Takes no lock on it. */
export async function hasSearchIndex(sql: AnySql): Promise<boolean> {
  return (await lookAtIndex(sql)) === "complete";
}

async function lookAtIndex(sql: AnySql): Promise<"missing" | "unfinished" | "untuned" | "complete"> {
  const [found] = await sql<{ valid: boolean; tuned: boolean }[]>`
    select i.indisvalid as valid,
      coalesce(c.reloptions @> array[${`gin_pending_list_limit=${PENDING_KB}`}::text], false) as tuned
    from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_index i on i.indexrelid = c.oid
    where n.nspname = 'mirror_data' and c.relname = ${NAME}`;
  if (!found) return "missing";
  if (!found.valid) return "unfinished";
  return found.tuned ? "complete" : "untuned";
}

/**
 * Makes the index while everything else goes on, unless another process does. `own` is one connection. Without the
 * index searches are slow but right. Throws if it can't be made; nothing is left behind then.
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
    await build(own);
  } finally {
    await own`select pg_advisory_unlock(${BUILD_LOCK}::bigint)`.catch(() => {});
  }
}

async function build(sql: postgres.Sql): Promise<void> {
  const found = await lookAtIndex(sql);
  if (found === "complete") return;
  if (found === "untuned") {
    await sql.unsafe(`alter index mirror_data.${NAME} set (gin_pending_list_limit = ${PENDING_KB})`);
    return;
  }
  if (found === "unfinished") await dropUnfinished(sql);
  const create = `create index concurrently ${NAME} ${await definition(sql)}`;
  try {
    await sql.unsafe(create);
  } catch (error) {
    await dropUnfinished(sql);
    if (!isShortOfResources(error)) throw error;
    // Workers share memory, and a container may have next to none of it (/dev/shm). Without workers it takes longer.
    await withoutWorkers(sql, () => sql.unsafe(create)).catch(async (again) => {
      await dropUnfinished(sql);
      throw again;
    });
  }
}

const dropUnfinished = (sql: postgres.Sql) =>
  sql.unsafe(`drop index concurrently if exists mirror_data.${NAME}`);

async function withoutWorkers(sql: postgres.Sql, work: () => Promise<unknown>): Promise<void> {
  await sql`select set_config('max_parallel_maintenance_workers', '0', false)`;
  try {
    await work();
  } finally {
    await sql.unsafe("reset max_parallel_maintenance_workers").catch(() => {});
  }
}

const isShortOfResources = (error: unknown) => codeOf(error).startsWith("53");

/**
 * Works in what waits. Does nothing if there is no trigram index, as during a first load. Takes no lock that anybody
 * waits for.
 */
export async function tidySearchIndexes(sql: postgres.Sql): Promise<void> {
  await sql`
    select gin_clean_pending_list(c.oid)
    from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_index i on i.indexrelid = c.oid
    where n.nspname = 'mirror_data' and c.relname in (${NAME}, 'user_grams_rare_grams') and i.indisvalid`;
}

/** A first load is four times faster without the trigram index. `buildSearchIndex` makes it afterwards. */
export async function dropSearchIndex(sql: AnySql): Promise<void> {
  await sql.unsafe(`drop index if exists mirror_data.${NAME}`);
}

/** Whether this database's trigrams contain letters other than a-z: LC_CTYPE tells pg_trgm what is a letter. */
export async function hasLettersBeyondAscii(sql: postgres.Sql): Promise<boolean> {
  const [row] = await sql.unsafe(`select cardinality(${await trigramSchema(sql)}.show_trgm('é')) > 0 as has`);
  return row?.has === true;
}

async function trigramSchema(sql: AnySql): Promise<string> {
  const [extension] = await sql<{ schema: string }[]>`
    select quote_ident(n.nspname) as schema
    from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'pg_trgm'`;
  return extension?.schema ?? "public";
}
