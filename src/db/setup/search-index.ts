import type postgres from "postgres";
import { textArray } from "../connection/bulk.js";
import type { LateIndex } from "../tables/indexes.js";

export type AnySql = postgres.Sql | postgres.TransactionSql;

/** What searches for a part of a text read: an index of a table and one of its columns. */
const INDEXES = [{ name: "user_search_trigrams", table: "user_search", column: "search" }] as const;

/**
 * How much may wait to be worked into the trigram index. The statement that fills this list must work all of it in
 * before it ends, which takes 200 ms for 2 MiB. So the list is emptied every two seconds (`tidySearchIndexes`), long
 * before it is full.
 */
const PENDING_KB = 16 * 1024;

/**
 * The trigram indexes for partial matches. They aren't in the Drizzle schema because pg_trgm's operator class must be named
 * by the schema in which the extension happens to be.
 */
export async function trigramIndexes(sql: AnySql): Promise<LateIndex[]> {
  const schema = await trigramSchema(sql);
  return INDEXES.map(({ name, table, column }) => ({
    name,
    definition: `on mirror_data.${table} using gin (${column} ${schema}.gin_trgm_ops)`,
    pendingKb: PENDING_KB,
  }));
}

const TIDIED = [...INDEXES.map(({ name }) => name), "user_grams_rare_grams"];

/**
 * Works in what waits. Does nothing if there is no trigram index, as during a first load. Takes no lock that anybody
 * waits for.
 */
export async function tidySearchIndexes(sql: postgres.Sql): Promise<void> {
  await sql`
    select gin_clean_pending_list(c.oid)
    from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_index i on i.indexrelid = c.oid
    where n.nspname = 'mirror_data' and c.relname = any(${textArray(TIDIED)}::text::text[]) and i.indisvalid`;
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
