import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { drizzle } from "drizzle-orm/postgres-js";
import { migrate } from "drizzle-orm/postgres-js/migrator";
import type postgresType from "postgres";
import { connectionOptions, describeHosts } from "../lib/connection-options.js";
import { AppError, reasonOf } from "../lib/errors.js";
import { createConnections } from "./connections.js";
import { createReaderRoles } from "./grants.js";
import { refuseTransactionPooler } from "./pooler.js";
import { ensureSearchIndex } from "./search-index.js";
import { UNHURRIED } from "./session.js";
import { refuseUnsuitableDatabase } from "./suitability.js";
import { isDatabaseTrouble } from "./trouble.js";

/** Any two processes of any version agree on this number; nothing else in the database is locked by it. */
const MIGRATION_LOCK = 7_310_214_401;

/**
 * Brings the database to the schema of this code, under an advisory lock so that processes starting together take
 * turns. Repeating is free. Fails with `configuration` when the database is newer than the code,
 * unsuitable, behind a transaction pooler, or a right is missing (the message holds the line a DBA runs).
 * What can only be read, a standby for instance, is left as it is if its schema is that of this code (`isWritable: false`),
 * and refused otherwise.
 */
export async function migrateDatabase(options: { url: string }): Promise<{ isWritable: boolean }> {
  // Any of its statements may take hours: an index of millions of users, or the turn of another process.
  const sql = createConnections(options.url).open({
    ...{ name: "user-mirror migrate", max: 1, limitMs: Number.POSITIVE_INFINITY, connectTimeout: 10 },
    settings: UNHURRIED,
  });
  try {
    await firstContact(sql, options.url);
    await refuseUnsuitableDatabase(sql);
    if (await isReadOnly(sql)) {
      await refuseNewerDatabase(sql);
      await refuseOlderDatabase(sql);
      return { isWritable: false };
    }
    await refuseTransactionPooler(sql);
    await sql`select pg_advisory_lock(${MIGRATION_LOCK})`;
    await refuseNewerDatabase(sql);
    await runMigrations(sql);
    await ensureSearchIndex(sql);
    await createReaderRoles(sql);
    return { isWritable: true };
  } catch (error) {
    throw withReason(error);
  } finally {
    await sql.end();
  }
}

/** What Postgres said, which an error of Drizzle's hides behind its statement, and who has to do something about it. */
function withReason(error: unknown): unknown {
  if (error instanceof AppError) return error;
  const code = isDatabaseTrouble(error) ? "database_unavailable" : "configuration";
  return new AppError(code, `The database of DATABASE_URL can't be used: ${reasonOf(error)}.`, {
    cause: error,
  });
}

/** The first statement: what keeps it from being answered is a matter of DATABASE_URL. */
async function firstContact(sql: postgresType.Sql, url: string): Promise<void> {
  try {
    await sql`select 1`;
  } catch (cause) {
    throw new AppError(
      "configuration",
      `The Postgres at ${describeHosts(connectionOptions(url))} can't be used: ${reasonOf(cause)}. Check DATABASE_URL, and that it runs.`,
      { cause },
    );
  }
}

async function isReadOnly(sql: postgresType.Sql): Promise<boolean> {
  const [row] = await sql<{ is: boolean }[]>`
    select pg_is_in_recovery() or current_setting('transaction_read_only') = 'on' as is`;
  return row?.is === true;
}

/** When the newest migration that the database has had was made; 0: none. */
async function newestMigration(sql: postgresType.Sql): Promise<number> {
  const [exists] = await sql<{ journal: string | null }[]>`
    select to_regclass('mirror_data.__drizzle_migrations')::text as journal`;
  if (!exists?.journal) return 0;
  const [last] = await sql<{ at: string | null }[]>`
    select max(created_at)::text as at from mirror_data.__drizzle_migrations`;
  return Number(last?.at ?? 0);
}

const newestKnown = () => Math.max(...journal().entries.map((entry) => entry.when));

async function refuseOlderDatabase(sql: postgresType.Sql): Promise<void> {
  if ((await newestMigration(sql)) >= newestKnown()) return;
  throw new AppError(
    "configuration",
    "DATABASE_URL is a standby, or read-only (default_transaction_read_only), and doesn't hold the schema of this version. " +
      "Use the primary's address, name all servers with target_session_attrs=read-write, or make it writable; " +
      "`user-mirror migrate` on the primary prepares its standbys too.",
  );
}

async function refuseNewerDatabase(sql: postgresType.Sql): Promise<void> {
  if ((await newestMigration(sql)) > newestKnown()) {
    throw new AppError(
      "configuration",
      "The database was migrated by a newer User Mirror than this one. Start that version again, or a later one.",
    );
  }
}

async function runMigrations(sql: postgresType.Sql): Promise<void> {
  try {
    await migrate(drizzle(sql), { migrationsFolder: migrationsFolder(), migrationsSchema: "mirror_data" });
  } catch (error) {
    if (isMissingRight(error)) {
      const [who] = await sql<{ role: string; database: string }[]>`
        select quote_ident(current_user) as role, quote_ident(current_database()) as database`;
      throw new AppError(
        "configuration",
        `The role of DATABASE_URL may not create the schema or the extension pg_trgm (${reasonOf(error)}). ` +
          "A DBA runs, in this database: " +
          `CREATE EXTENSION IF NOT EXISTS pg_trgm; GRANT CREATE ON DATABASE ${who?.database} TO ${who?.role};`,
        { cause: error },
      );
    }
    throw error;
  }
}

function isMissingRight(error: unknown): boolean {
  for (let e = error; e instanceof Error; e = e.cause) {
    if ("code" in e && e.code === "42501") return true;
  }
  return false;
}

interface Journal {
  entries: { when: number; tag: string }[];
}

function journal(): Journal {
  return JSON.parse(readFileSync(join(migrationsFolder(), "meta", "_journal.json"), "utf8")) as Journal;
}

/** `migrations/` in `dist/`, where a build copies them, or `drizzle/` beside `src/`: whichever of the two runs. */
function migrationsFolder(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const found = ["migrations", "drizzle"]
      .map((name) => join(folder, name))
      .find((one) => existsSync(join(one, "meta", "_journal.json")));
    if (found) return found;
    if (folder === dirname(folder)) throw new Error("the migrations are missing from this installation");
  }
}
