import type { Sql } from "../../db/connection/sql.js";
import type { Item } from "./batch.js";
import { applyIsolated, type Isolated, type IsolateOptions } from "./isolate.js";

/** A page of 500 ordinary users is 1.3 MB and stays one transaction. Each mebibyte takes about 50 ms of work in this process. */
export const MOST_BYTES = 2 * 1024 * 1024;

/**
 * Applies the items of a page that is `bytes` long. A large page takes several transactions, because making one very large
 * statement would block everything else in this process. Each transaction is safe to repeat, so the page is too. `within`
 * commits with the last one, unless another session holds a lock on something in the page.
 */
export async function applyInChunks(
  sql: Sql,
  items: readonly Item[],
  bytes: number,
  options: IsolateOptions,
): Promise<Isolated[]> {
  const size = Math.max(1, Math.floor((items.length * MOST_BYTES) / Math.max(1, bytes)));
  if (items.length <= size) return applyIsolated(sql, items, options);
  const { within: _, ...before } = options;
  const results: Isolated[] = [];
  for (let from = 0; from < items.length; from += size) {
    const isWhole = from + size >= items.length && !results.some(({ kind }) => kind === "locked");
    results.push(...(await applyIsolated(sql, items.slice(from, from + size), isWhole ? options : before)));
  }
  return results;
}
