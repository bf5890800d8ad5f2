import { is, SQL } from "drizzle-orm";
import { getTableConfig, type IndexedColumn, PgDialect, PgTable } from "drizzle-orm/pg-core";
import * as tables from "../tables/users.js";

/** An index as it is made: `create index NAME DEFINITION`. */
export interface PutOffIndex {
  name: string;
  table: string;
  definition: string;
}

/** Of tombstones and of locks: hardly any user of a first load is in them, and runs ask for them. */
const KEPT = new Set(["users_locked_until", "users_deleted_at", "users_deleted_time"]);

const dialect = new PgDialect();

function keyOf({ name, indexConfig }: IndexedColumn): string {
  const { opClass } = indexConfig as { opClass?: string };
  return opClass ? `"${name}" ${opClass}` : `"${name}"`;
}

const textOf = (expression: SQL) => dialect.sqlToQuery(expression, "indexes").sql;

/**
 * The indexes that only lists, searches and SQL need, and that a first load does without: nobody lists users before it has
 * ended. Keys are none of them. A test holds them against what the migrations make.
 */
export const PUT_OFF: readonly PutOffIndex[] = Object.values<unknown>(tables).flatMap((table) => {
  if (!is(table, PgTable)) return [];
  const { name: tableName, indexes } = getTableConfig(table);
  return indexes.flatMap(({ config: { name, columns, method, where } }) => {
    if (!name || KEPT.has(name)) return [];
    const keys = columns.map((column) =>
      is(column, SQL) ? `(${textOf(column)})` : keyOf(column as IndexedColumn),
    );
    const only = where ? ` where ${textOf(where)}` : "";
    const definition = `on mirror_data.${tableName} using ${method ?? "btree"} (${keys.join(", ")})${only}`;
    return [{ name, table: tableName, definition }];
  });
});
