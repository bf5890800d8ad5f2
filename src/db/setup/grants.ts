import type postgres from "postgres";
import { codeOf } from "../connection/trouble.js";

const STATEMENTS = [
  "CREATE ROLE mirror_reader NOLOGIN",
  "CREATE ROLE mirror_reader_private NOLOGIN IN ROLE mirror_reader",
  "GRANT USAGE ON SCHEMA mirror TO mirror_reader",
  "GRANT SELECT ON mirror.users, mirror.email_addresses, mirror.phone_numbers, mirror.web3_wallets, mirror.external_accounts, mirror.organizations, mirror.organization_memberships TO mirror_reader",
  "GRANT SELECT ON mirror.user_activity_days TO mirror_reader",
  "GRANT SELECT ON mirror.daily_users TO mirror_reader",
  "GRANT SELECT ON mirror.user_private_metadata TO mirror_reader_private",
];

/** What a DBA runs where the mirror's own role may not create roles. */
export function grantsSql(): string {
  return `${STATEMENTS.join(";\n")};\n`;
}

/**
 * Creates the reader roles where the right exists and says whether it did; roles belong to the whole server, so
 * they may be there already.
 */
export async function createReaderRoles(sql: postgres.Sql): Promise<boolean> {
  const [right] = await sql<{ may: boolean }[]>`
    select rolcreaterole or rolsuper as may from pg_roles where rolname = current_user`;
  if (!right?.may) return false;
  if (await hasAll(sql)) return true;
  for (const statement of STATEMENTS) {
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
 * The role exists (42710, 23505), made by another database of this server, perhaps this very moment; or the schema is of an earlier
 * version and lacks the view (42P01).
 */
const HARMLESS: ReadonlySet<string> = new Set(["42710", "23505", "42P01"]);

/** A grant that is there already would still be written again, and whoever else grants at that moment would fail. */
async function hasAll(sql: postgres.Sql): Promise<boolean> {
  const [roles] = await sql`
    select from pg_roles where rolname in ('mirror_reader', 'mirror_reader_private') having count(*) = 2`;
  if (!roles) return false;
  const [missing] = await sql`
    select from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'mirror' and c.relkind = 'v' and not has_table_privilege(
      case c.relname when 'user_private_metadata' then 'mirror_reader_private' else 'mirror_reader' end, c.oid, 'select')
    union all
    select from pg_namespace where nspname = 'mirror' and not has_schema_privilege('mirror_reader', oid, 'usage')`;
  return !missing;
}
