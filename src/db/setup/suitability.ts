import type postgresType from "postgres";
import { AppError } from "../../lib/errors.js";

const OLDEST_SERVER = 150_000;

/**
 * Throws `configuration` for a database that can't hold the mirror: too old, in another encoding, or in use by
 * something else.
 */
export async function refuseUnsuitableDatabase(sql: postgresType.Sql): Promise<void> {
  const [row] = await sql<{ version: string; number: number; encoding: string }[]>`
    select current_setting('server_version') as version, current_setting('server_version_num')::int as number,
      current_setting('server_encoding') as encoding`;
  if (!row) return;
  const refuse = (text: string) => {
    throw new AppError("configuration", `DATABASE_URL ${text}`);
  };
  if (row.number < OLDEST_SERVER) refuse(`is PostgreSQL ${row.version}; User Mirror needs 15 or later.`);
  if (row.encoding !== "UTF8") {
    refuse(
      `is a database encoded in ${row.encoding}, which can't hold every name; User Mirror needs UTF8. A DBA runs: ` +
        "CREATE DATABASE mirror ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C.UTF-8' TEMPLATE template0;",
    );
  }
  await refuseForeignSchema(sql);
}

/** Empty schemas may be an administrator's preparation. What stands in them without our journal isn't ours. */
async function refuseForeignSchema(sql: postgresType.Sql): Promise<void> {
  const [foreign] = await sql<{ schema: string; name: string }[]>`
    select nspname as schema, relname as name
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where nspname in ('mirror', 'mirror_data')
      and not exists (
        select from pg_class j join pg_namespace m on m.oid = j.relnamespace
        where m.nspname = 'mirror_data' and j.relname = '__drizzle_migrations'
      )
    order by 1, 2 limit 1`;
  if (!foreign) return;
  throw new AppError(
    "configuration",
    `The database of DATABASE_URL has a schema ${foreign.schema} that isn't User Mirror's: ${foreign.name} stands in it, ` +
      "and no migration of ours. Give the mirror a database of its own, or rename that schema.",
  );
}
