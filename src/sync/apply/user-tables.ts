import { textArray } from "../../db/connection/bulk.js";
import { send, type Tx } from "../../db/connection/sql.js";
import { DERIVED_TABLES } from "../../db/tables/registry.js";
import { identifiers } from "./tables.js";

const DELETES = Object.entries(DERIVED_TABLES).map(
  ([table, key]) => `delete from mirror_data.${table} where ${key} = any($1::text::text[])`,
);

/** Takes deleted users out of the tables derived from `users`, whose rows are guarded by the user's lock: the caller holds it. */
export async function deleteDerived(tx: Tx, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  const list = textArray(ids);
  await Promise.all(DELETES.map((statement) => send(tx, statement, [list])));
}

/** What rows of a derived table are written through; see `createDerivedTable`. */
interface Writable<R> {
  write(tx: Tx, rows: readonly R[]): Promise<void>;
  change(tx: Tx, rows: readonly R[]): Promise<void>;
}

/** A row of a user who had one before, or had none. */
export interface Known<R> {
  isKnown: boolean;
  row: R;
}

/** Writes rows of users who had one, and of those who had none. */
export const writeRows = <R>(tx: Tx, table: Writable<R>, rows: readonly Known<R>[]): Promise<unknown> => {
  const [known, fresh]: [R[], R[]] = [[], []];
  for (const { isKnown, row } of rows) (isKnown ? known : fresh).push(row);
  return Promise.all([table.change(tx, known), table.write(tx, fresh)]);
};

/**
 * Makes these the identifiers of their users, and leaves the rows that stay as they are untouched. `parameters`: the rows,
 * encoded. `known`: the users among them who may have others than these.
 */
export async function writeIdentifiers(
  tx: Tx,
  parameters: string[],
  known: readonly string[],
): Promise<void> {
  const [users = "", kinds = "", values = ""] = parameters;
  const removed =
    known.length > 0 &&
    tx`
      delete from mirror_data.user_identifiers
      where user_id = any(${textArray(known)}::text::text[])
        and (user_id, kind, value) not in (
          select * from unnest(${users}::text::text[], ${kinds}::text::text[], ${values}::text::text[]))`.execute();
  await Promise.all([removed, identifiers.writeEncoded(tx, parameters)]);
}
