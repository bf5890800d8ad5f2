import { send, type Tx } from "../../db/connection/sql.js";
import type { DerivedTable } from "../../db/tables/registry.js";
import { type Columns, encodeRows, type RowOf, sentColumns, unnestRows } from "./columns.js";

/**
 * The statement for a table whose rows follow from a user's. It leaves rows alone that are as they should be: writing a row
 * again costs as much as changing it. `notCompared`: columns that never differ alone.
 */
export function createDerivedTable<C extends Columns>(
  name: DerivedTable,
  alias: string,
  columns: C,
  {
    key,
    notCompared = [],
  }: { key: readonly (keyof C & string)[]; notCompared?: readonly (keyof C & string)[] },
) {
  type Row = RowOf<C>;
  const sent = sentColumns(columns);
  const names = sent.map(([column]) => column);
  const stored = sent.map(([column, { stored }]) => stored(column));
  const written = names.filter((column) => !key.includes(column));
  const compared = written.filter((column) => !notCompared.includes(column));
  const batch = unnestRows(columns);
  const isStoredAsSent = stored.every((value, index) => value === names[index]);
  const statement = `
    insert into mirror_data.${name} as ${alias} (${names.join(", ")})
    select ${isStoredAsSent ? `* from ${batch}` : `${stored.join(", ")} from ${batch} as r(${names.join(", ")})`}
    on conflict (${key.join(", ")}) do update set
      ${written.map((column) => `${column} = excluded.${column}`).join(", ")}
    where (${compared.map((column) => `${alias}.${column}`).join(", ")})
      is distinct from (${compared.map((column) => `excluded.${column}`).join(", ")})`;

  return {
    name,
    columns,
    /** Inserts the rows, or updates those that differ. Nothing is sent for no rows. */
    write: async (tx: Tx, rows: readonly Row[]) => {
      if (rows.length > 0) await send(tx, statement, encodeRows(columns, rows));
    },
    /** The same, for rows that are encoded already. */
    writeEncoded: (tx: Tx, parameters: string[]) => send(tx, statement, parameters),
  };
}
