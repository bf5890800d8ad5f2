import type postgres from "postgres";
import { codeOf } from "../connection/trouble.js";
import { derivedIndexes, type LateIndex } from "../tables/indexes.js";
import { type AnySql, trigramIndexes } from "./search-index.js";

/** B-trees first: without them lookups and lists are slow, without the others only searches. */
async function lateIndexes(sql: AnySql): Promise<LateIndex[]> {
  return [...derivedIndexes(), ...(await trigramIndexes(sql))];
}

/** All processes of all versions must use this number, so that only one of them makes the indexes at a time. */
const BUILD_LOCK = 7_310_214_403;

/**
 * A transaction that is older than an index may still use it. If that takes too long, the work is left to another
 * time.
 */
const OLD_SNAPSHOTS_TIMEOUT = { atOnce: "30s", inTheBackground: "10min" } as const;

const definitionOf = ({ definition, pendingKb }: LateIndex) =>
  pendingKb === undefined ? definition : `${definition} with (gin_pending_list_limit = ${pendingKb})`;

/** Makes those that are missing where nobody is kept waiting: in a new or an emptied database. */
export async function createLateIndexes(sql: AnySql): Promise<void> {
  for (const index of await lateIndexes(sql)) {
    await sql.unsafe(`create index if not exists ${index.name} ${definitionOf(index)}`);
  }
}

/**
 * A first load is four times faster without the trigram index; without the others it writes 5.5 KB of WAL a user instead of
 * 8.7, and keeps Postgres busy for a quarter less time. `buildLateIndexes` makes them afterwards.
 */
export async function dropLateIndexes(sql: AnySql): Promise<void> {
  const names = (await lateIndexes(sql)).map(({ name }) => `mirror_data.${name}`);
  await sql.unsafe(`drop index if exists ${names.join(", ")}`);
}

/** Whether all are there and complete; a build that failed leaves one that isn't. Takes no lock on them. */
export async function hasLateIndexes(sql: AnySql): Promise<boolean> {
  return (await openWork(sql)).length === 0;
}

interface OpenWork {
  index: LateIndex;
  state: "missing" | "unfinished" | "untuned";
}

async function openWork(sql: AnySql): Promise<OpenWork[]> {
  const found = await sql<{ name: string; valid: boolean; options: string[] | null }[]>`
    select c.relname as name, i.indisvalid as valid, c.reloptions as options
    from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_index i on i.indexrelid = c.oid
    where n.nspname = 'mirror_data'`;
  const byName = new Map(found.map((row) => [row.name, row]));
  return (await lateIndexes(sql)).flatMap((index): OpenWork[] => {
    const row = byName.get(index.name);
    if (!row) return [{ index, state: "missing" }];
    if (!row.valid) return [{ index, state: "unfinished" }];
    const { pendingKb } = index;
    const isTuned = pendingKb === undefined || row.options?.includes(`gin_pending_list_limit=${pendingKb}`);
    return isTuned ? [] : [{ index, state: "untuned" }];
  });
}

/**
 * Makes them one after another while everything else goes on, unless another process does. `own` is one connection.
 * Without them lists and searches are slow but right. Throws if one can't be made: nothing is left of that one, and the
 * next attempt goes on there.
 */
export async function buildLateIndexes(
  own: postgres.Sql,
  when: keyof typeof OLD_SNAPSHOTS_TIMEOUT,
): Promise<void> {
  if (await hasLateIndexes(own)) return;
  const [lock] = await own<{ mine: boolean }[]>`
    select pg_try_advisory_lock(${BUILD_LOCK}::bigint) as mine,
      set_config('lock_timeout', ${OLD_SNAPSHOTS_TIMEOUT[when]}, false)`;
  if (!lock?.mine) return;
  try {
    for (const work of await openWork(own)) await build(own, work);
  } finally {
    await own`select pg_advisory_unlock(${BUILD_LOCK}::bigint)`.catch(() => {});
  }
}

async function build(sql: postgres.Sql, { index, state }: OpenWork): Promise<void> {
  const { name, pendingKb } = index;
  if (state === "untuned") {
    await sql.unsafe(`alter index mirror_data.${name} set (gin_pending_list_limit = ${pendingKb})`);
    return;
  }
  if (state === "unfinished") await dropUnfinished(sql, name);
  const create = `create index concurrently ${name} ${definitionOf(index)}`;
  try {
    await sql.unsafe(create);
  } catch (error) {
    await dropUnfinished(sql, name);
    if (!isShortOfResources(error)) throw error;
    // Workers share memory, and a container may have next to none of it (/dev/shm). Without workers it takes longer.
    await withoutWorkers(sql, () => sql.unsafe(create)).catch(async (again) => {
      await dropUnfinished(sql, name);
      throw again;
    });
  }
}

const dropUnfinished = (sql: postgres.Sql, name: string) =>
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
