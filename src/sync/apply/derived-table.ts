import { send, type Tx } from "../../db/connection/sql.js";
import type { DerivedTable } from "../../db/tables/registry.js";
import { type Columns, encodeRows, type RowOf, sentColumns, unnestRows } from "./columns.js";

/**
 * The statements for a table whose rows follow from a user's. They leave rows alone that are as they should be: writing a row
 * again costs as much as changing it. The caller holds the user's lock. `notCompared`: columns that never differ alone.
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
  const isStoredAsSent = stored.every((value, index) => value === names[index]);
  const batch = isStoredAsSent
    ? `select * from ${unnestRows(columns)}`
    : `select ${stored.join(", ")} from ${unnestRows(columns)} as r(${names.join(", ")})`;
  const changesFrom = (source: string) =>
    written.map((column) => `${column} = ${source}.${column}`).join(", ");
  const differsFrom = (source: string) => `
    (${compared.map((column) => `${alias}.${column}`).join(", ")})
      is distinct from (${compared.map((column) => `${source}.${column}`).join(", ")})`;
  const write = `
    insert into mirror_data.${name} as ${alias} (${names.join(", ")})
    ${batch}
    on conflict (${key.join(", ")}) do update set ${changesFrom("excluded")}
    where ${differsFrom("excluded")}`;
  const isSameKey = key.map((column) => `${alias}.${column} = r.${column}`).join(" and ");
  const change = `
    with r(${names.join(", ")}) as materialized (${batch}),
      changed as (
        update mirror_data.${name} ${alias} set ${changesFrom("r")} from r
        where ${isSameKey} and ${differsFrom("r")}
        returning true)
    insert into mirror_data.${name} (${names.join(", ")})
    select * from r
    where (select count(*) from changed) < (select count(*) from r)
      and not exists (select from mirror_data.${name} ${alias} where ${isSameKey})
    on conflict do nothing`;

  return {
    name,
    columns,
    /** Inserts the rows, or updates those that differ. Nothing is sent for no rows. */
    write: async (tx: Tx, rows: readonly Row[]) => {
      if (rows.length > 0) await send(tx, write, encodeRows(columns, rows));
    },
    /**
     * The same for rows that are expected to be there and to differ. An insert that meets a row locks it before it compares:
     * that is logged, right after a checkpoint as an image of the page. Here only rows that are missing are inserted.
     */
    change: async (tx: Tx, rows: readonly Row[]) => {
      if (rows.length > 0) await send(tx, change, encodeRows(columns, rows));
    },
    /** As `write`, for rows that are encoded already. */
    writeEncoded: (tx: Tx, parameters: string[]) => send(tx, write, parameters),
  };
}
