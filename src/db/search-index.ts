import type postgres from "postgres";

/**
 * The trigram index behind partial matches, made by hand because pg_trgm's operator class must be named from the
 * schema the extension happens to live in. Repeating is free.
 */
export async function ensureSearchIndex(sql: postgres.Sql | postgres.TransactionSql): Promise<void> {
  const schema = await trigramSchema(sql);
  await sql.unsafe(`
    create index if not exists user_search_trigrams on mirror_data.user_search
    using gin (search ${schema}.gin_trgm_ops) with (gin_pending_list_limit = ${PENDING_KB});
    alter index mirror_data.user_search_trigrams set (gin_pending_list_limit = ${PENDING_KB})`);
}

/**
 * How much may wait to be worked into the trigram index. Whoever fills the list has to work all of it in before his own
 * statement ends, 200 ms for 2 MiB: it is emptied every two seconds (`tidySearchIndexes`), long before.
 */
const PENDING_KB = 16 * 1024;

/** Works in what waits. Where there is no trigram index, as during a first load, nothing. Needs no lock that anybody waits for. */
export async function tidySearchIndexes(sql: postgres.Sql): Promise<void> {
  await sql`
    select gin_clean_pending_list(c.oid)
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'mirror_data' and c.relname in ('user_search_trigrams', 'user_grams_rare_grams')`;
}

/** A fresh load is four times faster without the trigram index; `ensureSearchIndex` makes it afterwards. */
export async function dropSearchIndex(sql: postgres.Sql | postgres.TransactionSql): Promise<void> {
  await sql`drop index if exists mirror_data.user_search_trigrams`;
}

/** What users are looked up by while they are loaded. */
const KEYS = [
  "users (id)",
  "user_search (id)",
  "user_grams (id)",
  "user_activity (id)",
  "user_metadata (id)",
  "user_identifiers (user_id)",
];

/**
 * Makes every session plan anew. Statements that were planned while these tables were empty scan them whole, which at
 * 100,000 users makes a page of a load take seconds. One column each: a second at a million users.
 */
export async function forgetPlans(sql: postgres.Sql): Promise<void> {
  for (const key of KEYS) await sql.unsafe(`analyze mirror_data.${key}`);
}

/** Statistics right after a bulk load: without them every search term looks equally rare. */
export async function analyzeTables(sql: postgres.Sql): Promise<void> {
  for (const table of [
    "users",
    "user_search",
    "user_grams",
    "user_activity",
    "user_metadata",
    "user_identifiers",
  ]) {
    await sql.unsafe(`vacuum (analyze) mirror_data.${table}`);
  }
}

/** Whether this database's trigrams hold letters other than a-z: pg_trgm takes from LC_CTYPE what is a letter. */
export async function hasLettersBeyondAscii(sql: postgres.Sql): Promise<boolean> {
  const [row] = await sql.unsafe(`select cardinality(${await trigramSchema(sql)}.show_trgm('é')) > 0 as has`);
  return row?.has === true;
}

async function trigramSchema(sql: postgres.Sql | postgres.TransactionSql): Promise<string> {
  const [extension] = await sql<{ schema: string }[]>`
    select quote_ident(n.nspname) as schema
    from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'pg_trgm'`;
  return extension?.schema ?? "public";
}
