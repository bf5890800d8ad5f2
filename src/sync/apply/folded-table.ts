import { membersOf, textArray } from "../../db/connection/bulk.js";
import { send, type Tx } from "../../db/connection/sql.js";
import { type Columns, encodeRows, type RowOf, sentColumns, unnestRows } from "./columns.js";

/** A table with one row for each id ever seen, its object or its tombstone. */
export interface FoldedTable<R> {
  /** What a tombstone has in each column, but for its id and its time. */
  readonly tombstone: R;
  /** Which of these ids have a row, as far as a look without a lock can tell. */
  existing(tx: Tx, ids: readonly string[]): Promise<string[]>;
  /** Inserts those rows whose id has none yet, and returns their ids. The rows come sorted by id. */
  insert(tx: Tx, rows: readonly R[]): Promise<string[]>;
  /** Locks in id order, and reads. */
  lock(tx: Tx, ids: readonly string[]): Promise<R[]>;
  /** Writes rows that are locked. */
  update(tx: Tx, rows: readonly R[]): Promise<unknown>;
}

/** `alias`: its name within the update. */
export function createFoldedTable<C extends Columns>(
  name: string,
  alias: string,
  columns: C,
): FoldedTable<RowOf<C>> & { name: string; columns: C } {
  type Row = RowOf<C>;
  const table = `mirror_data.${name}`;
  const sent = sentColumns(columns);
  const names = sent.map(([column]) => column);
  const stored = sent.map(([column, { stored }]) => stored(column));
  const batch = `${unnestRows(columns)} with ordinality as r(${names.join(", ")}, position)`;
  const changes = [
    ...sent.flatMap(([column, { stored }]) =>
      column === "id" ? [] : [`${column} = ${stored(`r.${column}`)}`],
    ),
    ...Object.keys(columns).flatMap((column) => (names.includes(column) ? [] : [`${column} = null`])),
  ];
  const loaded = Object.entries(columns).map(([column, { loaded }]) => loaded(column));
  const existing = `select id from ${table} where id = any($1::text::text[])`;
  const insert = `
    insert into ${table} (${names.join(", ")})
    select ${stored.join(", ")} from ${batch}
    order by position
    on conflict (id) do nothing
    returning id`;
  const lock = `
    select ${loaded.join(", ")} from ${table} where id = any($1::text::text[])
    order by id for update`;
  const update = `update ${table} ${alias} set ${changes.join(", ")} from ${batch} where ${alias}.id = r.id`;
  const idsOf = (rows: readonly { id: string }[]) => membersOf(rows, "id");

  return {
    name,
    columns,
    tombstone: Object.fromEntries(
      Object.entries(columns).map(([column, { empty }]) => [column, empty]),
    ) as Row,
    existing: async (tx, ids) => idsOf(await send<{ id: string }>(tx, existing, [textArray(ids)])),
    insert: async (tx, rows) => idsOf(await send<{ id: string }>(tx, insert, encodeRows(columns, rows))),
    lock: (tx, ids) => send<Row>(tx, lock, [textArray(ids)]),
    update: (tx, rows) => send(tx, update, encodeRows(columns, rows)),
  };
}
