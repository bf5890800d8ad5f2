import type postgres from "postgres";
import { codeOf } from "../connection/trouble.js";

const ROLES = ["mirror_reader", "mirror_reader_private"] as const;

/** Of `user_private_metadata` only `mirror_reader_private` may know. */
const VIEWS = [
  "users",
  "email_addresses",
  "phone_numbers",
  "web3_wallets",
  "external_accounts",
  "organizations",
  "organization_memberships",
  "deleted_users",
  "changes",
  "user_activity_days",
  "daily_users",
] as const;

/** Roles belong to the whole server, so another database may have made it. On one line, so that statements end where lines do. */
const creationOf = (role: string) =>
  `DO $$ BEGIN CREATE ROLE ${role} NOLOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$`;

const GRANTS = [
  ...ROLES.map(creationOf),
  "GRANT mirror_reader TO mirror_reader_private",
  "GRANT USAGE ON SCHEMA mirror TO mirror_reader",
  ...VIEWS.map((view) => `GRANT SELECT ON mirror.${view} TO mirror_reader`),
  "GRANT SELECT ON mirror.user_private_metadata TO mirror_reader_private",
];

/**
 * What keeps a reader's mistake from the mirror's own work: no statement runs for long, takes much memory or more than one
 * core, and no transaction is left open, which would keep vacuum from all tables. Postgres gives a role's settings to whoever logs in
 * as that role, not to its members.
 */
const SETTINGS = {
  statement_timeout: "60s",
  idle_in_transaction_session_timeout: "60s",
  work_mem: "16MB",
  max_parallel_workers_per_gather: "0",
  default_transaction_read_only: "on",
} as const;

const settingsFor = (role: string) => [
  `ALTER ROLE ${role} CONNECTION LIMIT 16`,
  ...Object.entries(SETTINGS).map(([name, value]) => `ALTER ROLE ${role} SET ${name} = '${value}'`),
];

/** What a DBA runs where the mirror's own role may not create roles. Running it again, or beside roles that are there, is safe. */
export function grantsSql(): string {
  return `${[...GRANTS, ...ROLES.flatMap(settingsFor)].join(";\n")};\n`;
}

/**
 * Creates the reader roles where the right exists and says whether it did; roles belong to the whole server, so
 * they may be there already. Settings that somebody has chosen stay.
 */
export async function createReaderRoles(sql: postgres.Sql): Promise<boolean> {
  const [right] = await sql<{ may: boolean }[]>`
    select rolcreaterole or rolsuper as may from pg_roles where rolname = current_user`;
  if (!right?.may) return false;
  if (!(await hasReaderRoles(sql)) && !(await runAll(sql, GRANTS))) return false;
  const bare = await sql<{ name: string }[]>`
    select rolname as name from pg_roles where rolname in ${sql(ROLES)} and rolconfig is null`;
  return runAll(
    sql,
    bare.flatMap(({ name }) => settingsFor(name)),
  );
}

/**
 * Another database of this server grants (23505) or sets (XX000) the same at this very moment; or a schema of an earlier version lacks
 * the view (42P01).
 */
const HARMLESS: ReadonlySet<string> = new Set(["23505", "XX000", "42P01"]);

/** False: a right is missing. */
async function runAll(sql: postgres.Sql, statements: readonly string[]): Promise<boolean> {
  for (const statement of statements) {
    try {
      await sql.unsafe(statement);
    } catch (error) {
      const code = codeOf(error);
      if (code === "42501") return false;
      if (!HARMLESS.has(code)) throw error;
    }
  }
  return true;
}

/**
 * Whether both roles are there with all their rights. A grant that is there already would still be written again, and whoever else
 * grants at that moment would fail.
 */
export async function hasReaderRoles(sql: postgres.Sql): Promise<boolean> {
  const [roles] = await sql`
    select from pg_roles where rolname in ${sql(ROLES)} having count(*) = ${ROLES.length}`;
  if (!roles) return false;
  const [missing] = await sql`
    select from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'mirror' and c.relkind = 'v' and not has_table_privilege(
      case c.relname when 'user_private_metadata' then 'mirror_reader_private' else 'mirror_reader' end, c.oid, 'select')
    union all
    select from pg_namespace where nspname = 'mirror' and not has_schema_privilege('mirror_reader', oid, 'usage')
    union all
    select where not pg_has_role('mirror_reader_private', 'mirror_reader', 'usage')`;
  return !missing;
}
