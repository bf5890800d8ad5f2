import type { Sql } from "../db/client.js";
import { AppError } from "../lib/errors.js";
import { type Applied, type ApplyOptions, applyItems, type Item, type ItemStatus } from "./apply.js";

/** What became of one item: `poison` will fail for ever and belongs among the dead letters. */
export type Isolated =
  | { kind: "applied"; status: ItemStatus; applied: Applied }
  | { kind: "poison"; error: Error };

/**
 * Applies a batch; if it fails, each item alone, so that one poison user never stops the rest. Throws when a failure
 * isn't the item's own fault (deadlock, timeout, disk, connection): the caller repeats the whole batch, which is safe.
 * `within` commits with the batch, or, after a retry item by item, behind the last of them.
 */
export async function applyIsolated(
  sql: Sql,
  items: readonly Item[],
  options: ApplyOptions,
): Promise<Isolated[]> {
  try {
    const applied = await applyItems(sql, items, options);
    return items.map((_, index) => ({
      kind: "applied",
      status: applied.statuses[index] ?? "stale",
      applied,
    }));
  } catch (error) {
    if (!isPoison(error)) throw error;
  }
  const { within, ...alone } = options;
  const results: Isolated[] = [];
  for (const item of items) {
    try {
      const applied = await applyItems(sql, [item], alone);
      results.push({ kind: "applied", status: applied.statuses[0] ?? "stale", applied });
    } catch (error) {
      if (!isPoison(error)) throw error;
      results.push({ kind: "poison", error });
    }
  }
  if (within) await applyItems(sql, [], options);
  return results;
}

/**
 * Validation, and what Postgres says about data (22) and constraints (23): no repetition will make it better. Nor will
 * it for JSON nested so deep that walking it exhausts the stack.
 */
export function isPoison(error: unknown): error is Error {
  if (error instanceof AppError) return error.code === "invalid_payload";
  if (error instanceof RangeError) return true;
  return error instanceof Error && "code" in error && /^2[23]/.test(String(error.code));
}
