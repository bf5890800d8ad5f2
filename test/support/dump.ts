import type { Sql } from "../../src/db/connection/sql.js";

/** A row as text, and where it stands. */
export interface DumpedRow {
  table: string;
  text: string;
}

/**
 * Everything that a database holds, whoever looks at it: each row of each table as text, what is kept in base64 or bytes decoded too,
 * and the values that the planner's statistics hold.
 */
export async function dumpOf(sql: Sql): Promise<DumpedRow[]> {
  const tables = await sql<{ name: string; columns: string[] }[]>`
    select format('%I.%I', c.table_schema, c.table_name) as name, array_agg(c.column_name::text) as columns
    from information_schema.columns c join information_schema.tables t using (table_schema, table_name)
    where t.table_type = 'BASE TABLE' and c.table_schema not in ('pg_catalog', 'information_schema')
    group by 1`;
  const dumped: DumpedRow[] = [];
  for (const { name, columns } of tables) {
    const decoded = columns.includes("payload") && name.endsWith("dead_letters");
    const text = decoded ? `t::text || encode(decode(t.payload, 'base64'), 'escape')` : "t::text";
    const rows = await sql.unsafe<{ text: string }[]>(`select ${text} as text from ${name} t`);
    dumped.push(...rows.map((row) => ({ table: name.replace(/^.*\./, ""), text: row.text })));
  }
  const statistics = await sql<{ table: string; text: string }[]>`
    select tablename as table, concat(most_common_vals::text, histogram_bounds::text, most_common_elems::text) as text
    from pg_stats where schemaname = 'mirror_data'`;
  return [...dumped, ...statistics.map(({ table, text }) => ({ table: `statistics of ${table}`, text }))];
}
