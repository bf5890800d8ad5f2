import type postgres from "postgres";
import { GROWING_TABLES } from "../tables/registry.js";

/** Below so many pages reading the whole of a table is no worse than looking something up in it. */
const SMALL_PAGES = 16;
/** A table that has grown so much is worth planning for anew. */
const GROWTH = 4;

/**
 * Makes every session plan anew for tables that have outgrown what their statistics say: a plan that was made while they
 * were empty reads them whole for each key, and is kept until somebody analyzes. Autovacuum does so in its own time, or
 * where it is off, never. One column each: a second for all at a million users. Where nothing has grown, a look at a catalogue.
 */
export async function keepPlansFit(sql: postgres.Sql): Promise<void> {
  const grown = await sql<{ name: string }[]>`
    select c.relname as name
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'mirror_data' and c.relkind = 'r'
      and pg_relation_size(c.oid) / current_setting('block_size')::int
        >= greatest(${SMALL_PAGES}::int, ${GROWTH}::int * greatest(c.relpages, 0))`;
  for (const { name } of grown) {
    const key = GROWING_TABLES[name];
    // Whoever analyzes or vacuums it at this moment does the same.
    if (key) await sql.unsafe(`analyze (skip_locked) mirror_data.${name} (${key})`);
  }
}

/**
 * Statistics of everything right after a bulk load, without which every search term looks equally rare, and pages that are
 * known to be visible. Returns what failed, which is slower and not wrong.
 */
export async function vacuumTables(sql: postgres.Sql): Promise<Error[]> {
  const failures: Error[] = [];
  for (const table of Object.keys(GROWING_TABLES)) {
    // Without workers, who share memory that a container may have next to nothing of (/dev/shm).
    for (const how of ["vacuum (analyze, parallel 0)", "analyze"]) {
      try {
        await sql.unsafe(`${how} mirror_data.${table}`);
        break;
      } catch (error) {
        failures.push(new Error(`${how} ${table}: ${(error as Error).message}`, { cause: error }));
      }
    }
  }
  return failures;
}
