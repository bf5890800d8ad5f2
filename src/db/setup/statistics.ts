import type postgres from "postgres";
import { GROWING_TABLES } from "../tables/registry.js";

/** Below so many pages, reading the whole table is as good as looking something up in it. */
const SMALL_PAGES = 16;
/** A table that has grown by this factor is worth planning for anew. */
const GROWTH = 4;

/**
 * Makes every session plan anew for tables that have outgrown their statistics. A plan that was made while a table
 * was empty reads all of it for each key, and is kept until somebody analyzes the table. Autovacuum does that in its
 * own time, or never if it is off. One column of each table is analyzed, which takes a second for all of them at a
 * million users. If nothing has grown, it only reads a catalogue.
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
    // Somebody else is analyzing or vacuuming the table at this moment.
    if (key) await sql.unsafe(`analyze (skip_locked) mirror_data.${name} (${key})`);
  }
}

/**
 * Takes statistics of everything right after a first load, and marks pages as visible. Without them every search term
 * looks equally rare. Returns what failed: searches are then slower, not wrong.
 */
export async function vacuumTables(sql: postgres.Sql): Promise<Error[]> {
  const failures: Error[] = [];
  for (const table of Object.keys(GROWING_TABLES)) {
    // Without workers: they share memory, and a container may have next to none of it (/dev/shm).
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
