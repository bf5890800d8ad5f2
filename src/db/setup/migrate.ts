import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type MigrationMeta, readMigrationFiles } from "drizzle-orm/migrator";
import { drizzle } from "drizzle-orm/postgres-js";
import type postgresType from "postgres";
import { sleep } from "../../lib/async.js";
import { connectionOptions, describeHosts } from "../../lib/connection/options.js";
import { AppError, reasonOf } from "../../lib/errors.js";
import { createConnections, withLimit } from "../connection/connections.js";
import { whileServerWorks } from "../connection/long-statements.js";
import { UNHURRIED } from "../connection/session.js";
import { isDatabaseTrouble } from "../connection/trouble.js";
import { buildIndexes } from "./build-indexes.js";
import { fillColumns } from "./fill-columns.js";
import { fillNames } from "./fill-names.js";
import type { Filling } from "./filling.js";
import { createReaderRoles } from "./grants.js";
import { betweenLocks, takeTurn } from "./migration-locks.js";
import { numberUsers } from "./number-users.js";
import { refuseTransactionPooler } from "./pooler.js";
import { createSearchIndex } from "./search-index.js";
import { refuseUnsuitableDatabase } from "./suitability.js";

/** Whoever uses a table waits for no longer than this behind a migration that waits for it. */
const LOCK_TIMEOUT = "500ms";
const PATIENCE_MS = 300_000;
/** Between two attempts everybody who has queued behind the first gets through. */
const RETRY_MS = 1000;
const TURN_RETRY_MS = 200;
const CONTACT_MS = 15_000;

export interface MigrateOptions {
  url: string;
  /** Told what is waited for. */
  onWait?: (reason: string) => void;
  /** Told now and then how far it is, where it takes long. */
  onProgress?: (progress: string) => void;
  patienceMs?: number;
  /** Of the migrations, in place of this version's own. */
  folder?: string;
}

/**
 * Brings the database to the schema of this code; processes that start together take turns, and those that run go on
 * meanwhile. Repeating is free, and takes no lock that anybody waits for. Fails with `configuration` when the database is newer
 * than the code, unsuitable, behind a transaction pooler, or a right is missing (the message holds the line a DBA runs), and
 * with `database_unavailable` when others hold for too long what it needs.
 * What can only be read, a standby for instance, is left as it is if its schema is that of this code (`isWritable: false`),
 * and refused otherwise.
 */
export async function migrateDatabase(options: MigrateOptions): Promise<{ isWritable: boolean }> {
  const { url, onWait = () => {}, patienceMs = PATIENCE_MS, folder = migrationsFolder() } = options;
  const onProgress = options.onProgress ?? (() => {});
  const patience = { ms: patienceMs, retryMs: RETRY_MS, onWait };
  // Any of its statements may take hours: an index of millions of users.
  const connections = createConnections(url);
  const sql = connections.open({
    ...{ name: "user-mirror migrate", max: 1, limitMs: Number.POSITIVE_INFINITY, connectTimeout: 10 },
    settings: { ...UNHURRIED, lock_timeout: LOCK_TIMEOUT },
  });
  try {
    await firstContact(sql, url, onWait);
    return await whileServerWorks(connections, sql, () => prepare(sql, { patience, folder, onProgress }));
  } catch (error) {
    throw withReason(error);
  } finally {
    await sql.end();
  }
}

interface Migrating extends Filling {
  folder: string;
}

async function prepare(
  sql: postgresType.Sql,
  { patience, folder, onProgress }: Migrating,
): Promise<{ isWritable: boolean }> {
  await refuseUnsuitableDatabase(sql);
  const newest = newestMigration(folder);
  if (await isReadOnly(sql)) {
    const current = await currentMigration(sql);
    refuseNewerDatabase(current, newest);
    refuseOlderDatabase(current, newest);
    return { isWritable: false };
  }
  await refuseTransactionPooler(sql);
  await takeTurn(sql, { ...patience, retryMs: TURN_RETRY_MS });
  const current = await currentMigration(sql);
  refuseNewerDatabase(current, newest);
  if (current !== newest) {
    await runMigrations(sql, { patience, folder, onProgress });
    // Nobody has anything in a new database. Where the index is missing later, it is made beside what goes on (`sync/upkeep/plans-and-index.ts`).
    if (current === null) await createSearchIndex(sql);
  }
  await createReaderRoles(sql);
  return { isWritable: true };
}

/** What Postgres said, which an error of Drizzle's hides behind its statement, and who has to do something about it. */
function withReason(error: unknown): unknown {
  if (error instanceof AppError) return error;
  const code = isDatabaseTrouble(error) ? "database_unavailable" : "configuration";
  return new AppError(code, `The database of DATABASE_URL can't be used: ${reasonOf(error)}.`, {
    cause: error,
  });
}

/** A server that is started together with us may need that long; what is wrong for longer, somebody has to look at. */
const PATIENT_CONTACT_MS = 5000;
const CONTACT_PAUSE_MS = 250;

/** The first statement: what keeps it from being answered is a matter of DATABASE_URL. */
async function firstContact(
  sql: postgresType.Sql,
  url: string,
  onWait: (reason: string) => void,
): Promise<void> {
  const where = `The Postgres at ${describeHosts(connectionOptions(url))}`;
  const giveUpAtMs = performance.now() + PATIENT_CONTACT_MS;
  for (let attempt = 0; ; attempt++) {
    try {
      await withLimit(sql, CONTACT_MS)`select 1`;
      return;
    } catch (cause) {
      if (isDatabaseTrouble(cause) && performance.now() < giveUpAtMs) {
        if (attempt === 0) onWait(`${where} can't be reached yet: ${reasonOf(cause)}.`);
        await sleep(CONTACT_PAUSE_MS * 2 ** Math.min(attempt, 2));
        continue;
      }
      throw new AppError(
        "configuration",
        `${where} can't be used: ${reasonOf(cause)}. Check DATABASE_URL, and that it runs.`,
        { cause },
      );
    }
  }
}

async function isReadOnly(sql: postgresType.Sql): Promise<boolean> {
  const [row] = await sql<{ is: boolean }[]>`
    select pg_is_in_recovery() or current_setting('transaction_read_only') = 'on' as is`;
  return row?.is === true;
}

/** When the newest migration was made that the database has had; null: none. */
async function currentMigration(sql: postgresType.Sql): Promise<number | null> {
  const [exists] = await sql<{ journal: string | null }[]>`
    select to_regclass('mirror_data.__drizzle_migrations')::text as journal`;
  if (!exists?.journal) return null;
  const [last] = await sql<{ at: string | null }[]>`
    select max(created_at)::text as at from mirror_data.__drizzle_migrations`;
  return last?.at ? Number(last.at) : null;
}

function refuseOlderDatabase(current: number | null, newest: number): void {
  if (current !== null && current >= newest) return;
  throw new AppError(
    "configuration",
    "DATABASE_URL is a standby, or read-only (default_transaction_read_only), and doesn't hold the schema of this version. " +
      "Use the primary's address, name all servers with target_session_attrs=read-write, or make it writable; " +
      "`user-mirror migrate` on the primary prepares its standbys too.",
  );
}

function refuseNewerDatabase(current: number | null, newest: number): void {
  if (current === null || current <= newest) return;
  throw new AppError(
    "configuration",
    "The database was migrated by a newer User Mirror than this one. Start that version again, or a later one.",
  );
}

async function runMigrations(sql: postgresType.Sql, migrating: Migrating): Promise<void> {
  try {
    await migrateOneByOne(sql, migrating);
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

/** Of Drizzle's own, which its migrator for this driver calls with all migrations at once. */
interface Drizzle {
  session: unknown;
  dialect: {
    migrate(
      migrations: readonly MigrationMeta[],
      session: unknown,
      config: { migrationsSchema: string },
    ): Promise<void>;
  };
}

/** What is done before a migration, by its tag. It may be interrupted, and is then done again. */
const BEFORE: Readonly<Record<string, typeof fillColumns>> = {
  "0017_read_what_is_filled": fillColumns,
  "0020_show_days": numberUsers,
  "0035_index_names": fillNames,
};

/**
 * Each in a transaction of its own, where Drizzle would take one for all that are due: what one of them locks for a moment
 * would stay locked while the next looks through a million users. Of one that only makes indexes, nothing but its mark in the
 * journal is left for its transaction in a database that somebody may use.
 */
async function migrateOneByOne(
  sql: postgresType.Sql,
  { patience, folder, onProgress }: Migrating,
): Promise<void> {
  const { session, dialect } = drizzle(sql) as unknown as Drizzle;
  const migrations = readMigrationFiles({ migrationsFolder: folder });
  const tags = new Map(journalOf(folder).map(({ when, tag }) => [when, tag]));
  const current = await currentMigration(sql);
  for (const [n, migration] of migrations.entries()) {
    const { folderMillis } = migration;
    if (current !== null && folderMillis <= current) continue;
    await BEFORE[tags.get(folderMillis) ?? ""]?.(sql, { patience, onProgress });
    const isDone = current !== null && (await buildIndexes(sql, migration.sql, { patience, onProgress }));
    const due = [...migrations.slice(0, n), isDone ? { ...migration, sql: [] } : migration];
    await betweenLocks(sql, patience, () =>
      dialect.migrate(due, session, { migrationsSchema: "mirror_data" }),
    );
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

function journalOf(folder: string): Journal["entries"] {
  return (JSON.parse(readFileSync(join(folder, "meta", "_journal.json"), "utf8")) as Journal).entries;
}

const newestMigration = (folder: string) => Math.max(...journalOf(folder).map(({ when }) => when));

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
