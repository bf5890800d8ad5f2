import type postgresType from "postgres";
import { everySoOften, type Filling, unhurried } from "./filling.js";
import { buildConcurrently } from "./search-index.js";

const CREATE_INDEX = /^CREATE INDEX "(\w+)" (ON "mirror_data"\."(\w+)" [^;]+);?$/;
const CREATE_STATISTICS =
  /^CREATE STATISTICS IF NOT EXISTS "mirror_data"\."(\w+)" [^;]+ FROM "mirror_data"\."(\w+)";?$/;

interface Step {
  name: string;
  table: string;
  run: (sql: postgresType.Sql) => Promise<unknown>;
}

/**
 * Does a migration that makes nothing but indexes, and statistics, beside what goes on, and says whether it is one. Interrupted, it
 * begins again, and keeps what is complete.
 */
export async function buildIndexes(
  sql: postgresType.Sql,
  statements: readonly string[],
  { patience, onProgress }: Filling,
): Promise<boolean> {
  const steps = statements.map(stepOf);
  if (!steps.every((step) => step !== null)) return false;
  const report = everySoOften(onProgress);
  await unhurried(sql, patience, async () => {
    for (const [n, { name, run }] of steps.entries()) {
      report(`Indexes are built: ${name}, ${n + 1} of ${steps.length}.`);
      await run(sql);
    }
    // Nothing is known yet of what an expression says, and taking columns' statistics alone wouldn't change that.
    for (const table of new Set(steps.map((step) => step.table))) {
      report(`Indexes are built: statistics of ${table} are taken.`);
      await sql.unsafe(`analyze mirror_data.${table}`);
    }
  });
  return true;
}

function stepOf(statement: string): Step | null {
  const text = statement.replace(/^--.*$/gm, "").trim();
  const [, index, definition = "", indexed = ""] = CREATE_INDEX.exec(text) ?? [];
  if (index) return { name: index, table: indexed, run: (sql) => buildConcurrently(sql, index, definition) };
  const [, name, table = ""] = CREATE_STATISTICS.exec(text) ?? [];
  return name ? { name, table, run: (sql) => sql.unsafe(text) } : null;
}
