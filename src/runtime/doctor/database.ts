import type { Config } from "../../config.js";
import { createConnections } from "../../db/connection/connections.js";
import { BIGINT_AS_NUMBER, type Sql } from "../../db/connection/sql.js";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../../db/embedded/postgres.js";
import { refuseTransactionPooler } from "../../db/setup/pooler.js";
import { refuseUnsuitableDatabase } from "../../db/setup/suitability.js";
import { reasonOf } from "../../lib/errors.js";
import { check, type Finding, type Found, failed, ok, skipped } from "./check.js";

/** Starting the embedded server for the first time, on a slow disk. */
const EMBEDDED_MS = 90_000;
const STATEMENT_MS = 8000;
/** From here on Clerk's webhooks, which are valid for five minutes, come into danger. */
const MOST_SKEW_MS = 60_000;

/**
 * Whether the database can be reached and hold the mirror. Changes nothing in it; the embedded one is started where none runs.
 * `withDatabase` checks what takes a database, and is told null where there is none.
 */
export async function checkDatabase(
  { url, dataDir, poolMax }: Config["database"],
  withDatabase: (sql: Sql | null) => Promise<Finding[]>,
): Promise<Finding[]> {
  let embedded: EmbeddedPostgres | null = null;
  const started = await check(
    "database",
    async () => {
      if (url === null) embedded = await startEmbeddedPostgres({ dataDir });
      return ok("started");
    },
    {
      limitMs: EMBEDDED_MS,
      fix: "Look at the folder of DATA_DIR, or set DATABASE_URL to a PostgreSQL of your own.",
    },
  );
  if (started.status === "failed") return [started, ...(await withDatabase(null))];
  const connections = createConnections(url ?? (embedded as EmbeddedPostgres | null)?.url ?? "");
  const sql = connections.open({
    ...{ name: "user-mirror doctor", max: 1, limitMs: STATEMENT_MS, connectTimeout: 8 },
    types: BIGINT_AS_NUMBER,
  });
  try {
    const reached = await check("database", () => contact(sql, url === null), { fix: FIX_CONTACT });
    if (reached.status === "failed") return [reached, ...(await withDatabase(null))];
    return [
      reached,
      await check("database version and encoding", () => suitable(sql)),
      await check("database extension", () => extension(sql)),
      await check("database rights", () => rights(sql)),
      await check("database connections", () => slots(sql, poolMax)),
      await check("database pooler", () => pooler(sql)),
      await check("database clock", () => clock(sql)),
      ...(await withDatabase(sql)),
    ];
  } finally {
    await sql.end({ timeout: 1 }).catch(() => {});
    await (embedded as EmbeddedPostgres | null)?.stop();
  }
}

const FIX_CONTACT = 'DATABASE_URL works here where psql "$DATABASE_URL" does: try that, from this machine.';

const FIXES: Readonly<Record<string, string>> = {
  "28P01": "Mend the password in DATABASE_URL.",
  "28000": "Let pg_hba.conf take this role from this machine, or mend the role in DATABASE_URL.",
  "3D000": "Make the database: CREATE DATABASE mirror ENCODING 'UTF8' TEMPLATE template0;",
  "53300": "Raise max_connections, or lower DATABASE_POOL_MAX of what else connects.",
  ECONNREFUSED: "Nothing listens there: start Postgres, or mend host and port in DATABASE_URL.",
  ENOTFOUND: "Mend the host in DATABASE_URL: nobody knows its name.",
  EAI_AGAIN: "Mend the host in DATABASE_URL, or the resolver of this machine: the name can't be looked up.",
};

async function contact(sql: Sql, isEmbedded: boolean): Promise<Found> {
  try {
    const [row] = await sql<{ version: string; role: string; name: string }[]>`
      select current_setting('server_version') as version, current_user as role, current_database() as name`;
    return ok(
      `PostgreSQL ${row?.version}${isEmbedded ? ", embedded" : `, database ${row?.name} as ${row?.role}`}`,
    );
  } catch (error) {
    return failed(`it can't be reached: ${reasonOf(error)}`, FIXES[codeOf(error)] ?? FIX_CONTACT);
  }
}

function codeOf(error: unknown): string {
  for (let e = error; e instanceof Error; e = e.cause) {
    if (e instanceof AggregateError && e.errors.length > 0) return codeOf(e.errors[0]);
    if ("code" in e && typeof e.code === "string" && e.code in FIXES) return e.code;
  }
  return "";
}

async function suitable(sql: Sql): Promise<Found> {
  await refuseUnsuitableDatabase(sql as never);
  return ok("15 or later, UTF8");
}

async function extension(sql: Sql): Promise<Found> {
  const [row] = await sql<{ installed: boolean; available: boolean }[]>`
    select exists (select from pg_extension where extname = 'pg_trgm') as installed,
      exists (select from pg_available_extensions where name = 'pg_trgm') as available`;
  if (row?.installed) return ok("pg_trgm is there");
  return row?.available
    ? ok("pg_trgm is available; the first start creates it")
    : failed("pg_trgm isn't available on this server", "Install it: on Debian it is in postgresql-contrib.");
}

async function rights(sql: Sql): Promise<Found> {
  const [row] = await sql<RightsRow[]>`
    select quote_ident(current_user) as role, quote_ident(current_database()) as name,
      pg_is_in_recovery() or current_setting('transaction_read_only') = 'on' as is_read_only,
      has_database_privilege(current_database(), 'CREATE') as may_create,
      exists (
        select from pg_namespace where nspname = 'mirror_data' and pg_has_role(nspowner, 'USAGE')
      ) and to_regclass('mirror_data.__drizzle_migrations') is not null as owns`;
  if (!row) return failed("the server says nothing", FIX_CONTACT);
  if (row.is_read_only) {
    return failed(
      "the database can only be read: a standby, or default_transaction_read_only",
      "Use the primary's address, or name all servers with target_session_attrs=read-write.",
    );
  }
  if (row.may_create || row.owns)
    return ok(row.owns ? "the mirror's schema is its own" : "may make its schema");
  return failed(
    `the role ${row.role} may not make its schema`,
    `A DBA runs, in this database: CREATE EXTENSION IF NOT EXISTS pg_trgm; GRANT CREATE ON DATABASE ${row.name} TO ${row.role};`,
  );
}

interface RightsRow {
  role: string;
  name: string;
  is_read_only: boolean;
  may_create: boolean;
  owns: boolean;
}

async function slots(sql: Sql, poolMax: number): Promise<Found> {
  const [row] = await sql<{ most: number }[]>`
    select current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int as most`;
  const most = row?.most ?? 0;
  return poolMax <= most
    ? ok(`${poolMax} of the ${most} that the server takes, for each process`)
    : failed(
        `the server takes ${most} connections, and DATABASE_POOL_MAX asks for ${poolMax} of them`,
        `Set DATABASE_POOL_MAX to less than ${most}, divided by the number of processes, or raise max_connections.`,
      );
}

async function pooler(sql: Sql): Promise<Found> {
  await refuseTransactionPooler(sql as never);
  return ok("a session keeps its connection");
}

async function clock(sql: Sql): Promise<Found> {
  const before = Date.now();
  const [row] = await sql<{ ms: number }[]>`
    select (extract(epoch from clock_timestamp()) * 1000)::bigint as ms`;
  return judgeClock("the database's", (row?.ms ?? 0) - (before + Date.now()) / 2);
}

/** `aheadMs`: of ours. */
export function judgeClock(whose: string, aheadMs: number): Found {
  const seconds = Math.round(Math.abs(aheadMs) / 1000);
  if (Math.abs(aheadMs) <= MOST_SKEW_MS) return ok(`${seconds} s apart from ${whose}`);
  return failed(
    `this machine's clock is ${seconds} s ${aheadMs > 0 ? "behind" : "ahead of"} ${whose}`,
    "Synchronise the clocks (chrony, systemd-timesyncd): from five minutes on, no webhook is valid any more.",
  );
}

export const noDatabase = skipped("the database must be reached first");
