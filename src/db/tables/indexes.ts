import { getTableName, is, SQL } from "drizzle-orm";
import { getTableConfig, type Index, type IndexedColumn, PgDialect, PgTable } from "drizzle-orm/pg-core";
import { DERIVED_TABLES } from "./registry.js";
import * as tables from "./users.js";

/** An index that a first load does without (`setup/late-indexes.ts`): nobody reads by it before the load has ended. */
export interface LateIndex {
  name: string;
  /** All of `create index` behind the index's name. */
  definition: string;
  /** Its `gin_pending_list_limit`, where that isn't the server's. */
  pendingKb?: number;
}

/**
 * All indexes of the derived tables but their keys, as the schema has them: what lists, filters and lookups need, and
 * the apply path doesn't.
 */
export function derivedIndexes(): LateIndex[] {
  return Object.values(tables)
    .filter((table) => is(table, PgTable) && getTableName(table) in DERIVED_TABLES)
    .flatMap((table) => {
      const { indexes, name, schema } = getTableConfig(table);
      return indexes.map((index) => ({
        name: index.config.name ?? "",
        definition: `on ${schema}.${name} ${printed(index)}`,
      }));
    });
}

/** As much of what an index may have as those of the schema have. A test compares them with what migrations make. */
function printed({ config: { method, columns, where, with: options = {} } }: Index): string {
  const parts = columns.map((column) => {
    if (is(column, SQL)) throw new Error("an index over an expression can't be printed");
    const { name, indexConfig } = column as IndexedColumn;
    return `${name} ${indexConfig.opClass ?? ""}`.trim();
  });
  const settings = Object.entries(options).map(([name, value]) => `${name} = ${value}`);
  const tuned = settings.length > 0 ? ` with (${settings.join(", ")})` : "";
  const condition = where ? ` where ${new PgDialect().sqlToQuery(where).sql}` : "";
  return `using ${method} (${parts.join(", ")})${tuned}${condition}`;
}
