import type { Sql } from "../../db/connection/sql.js";
import { isLockTimeout } from "../../db/connection/trouble.js";
import { AppError } from "../../lib/errors.js";
import { applyItems } from "./apply.js";
import type { Applied, ApplyOptions, Item, ItemStatus } from "./batch.js";
import { keysOf, lockedAmong } from "./locked.js";

/**
 * What became of one item. `poison` will fail for ever and belongs among the dead letters. `locked`: another session holds
 * one of `ids`; nothing of the item is stored.
 */
export type Isolated =
  | { kind: "applied"; status: ItemStatus; applied: Applied }
  | { kind: "poison"; error: Error }
  | { kind: "locked"; ids: readonly string[] };

export interface IsolateOptions extends ApplyOptions {
  /** Something of this is known to have been locked: looks first, and waits for nobody. */
  looksFirst?: boolean;
}

/** Batches that share rows are through with them long before; whoever waits longer waits for somebody who sleeps. */
const TOGETHER_TIMEOUT_MS = 500;
/** Once it is known that somebody holds something: those who are free go on at once. */
const AROUND_TIMEOUT_MS = 100;
const ALONE_TIMEOUT_MS = 50;
/** What is locked and can't be seen to be is found by trying each alone, as many as one batch of webhooks has. */
const MOST_TRIED_ALONE = 64;

/**
 * Applies a batch; if it fails, each item alone, so that one poison user never stops the rest, nor does one whose row is
 * locked by another session. Throws when a failure isn't the items' own (deadlock, timeout, disk, connection): the caller
 * repeats the whole batch, which is safe. `within` commits with the batch, or, after a retry, behind the last of them;
 * where an item is locked, not at all.
 */
export async function applyIsolated(
  sql: Sql,
  items: readonly Item[],
  { looksFirst = false, ...options }: IsolateOptions,
): Promise<Isolated[]> {
  const { within, ...apart } = options;
  let separate = applyAroundLocks;
  if (!looksFirst) {
    try {
      return await applyTogether(sql, items, { lockTimeoutMs: TOGETHER_TIMEOUT_MS, ...options });
    } catch (error) {
      if (!isPoison(error) && !isLockTimeout(error)) throw error;
      if (isPoison(error)) separate = applyEach;
    }
  }
  const results = await separate(sql, items, apart);
  if (within && !results.some(({ kind }) => kind === "locked")) await applyItems(sql, [], options);
  return results;
}

async function applyAroundLocks(
  sql: Sql,
  items: readonly Item[],
  options: ApplyOptions,
): Promise<Isolated[]> {
  const locked = await lookForLocks(sql, items);
  const free = items.filter((item) => !locked.has(item));
  const results = new Map(free.length > 0 ? await applyFree(sql, free, options) : []);
  return items.map((item) => results.get(item) ?? { kind: "locked", ids: locked.get(item) ?? keysOf(item) });
}

/** Where whole tables are held, everything is. */
async function lookForLocks(sql: Sql, items: readonly Item[]): Promise<Map<Item, readonly string[]>> {
  try {
    return await lockedAmong(sql, items);
  } catch (error) {
    if (!isLockTimeout(error)) throw error;
    return new Map(items.map((item) => [item, keysOf(item)]));
  }
}

async function applyFree(
  sql: Sql,
  items: readonly Item[],
  options: ApplyOptions,
): Promise<[Item, Isolated][]> {
  const byItem = (results: readonly Isolated[]) =>
    results.map((result, index): [Item, Isolated] => [items[index] as Item, result]);
  try {
    return byItem(await applyTogether(sql, items, { ...options, lockTimeoutMs: AROUND_TIMEOUT_MS }));
  } catch (error) {
    const isHidden = isLockTimeout(error) && items.length <= MOST_TRIED_ALONE;
    if (!isPoison(error) && !isHidden) throw error;
    return byItem(await applyEach(sql, items, options));
  }
}

async function applyTogether(sql: Sql, items: readonly Item[], options: ApplyOptions): Promise<Isolated[]> {
  const applied = await applyItems(sql, items, options);
  return items.map((_, index) => ({ kind: "applied", status: applied.statuses[index] ?? "stale", applied }));
}

async function applyEach(sql: Sql, items: readonly Item[], options: ApplyOptions): Promise<Isolated[]> {
  const results: Isolated[] = [];
  for (const item of items) {
    try {
      const applied = await applyItems(sql, [item], { ...options, lockTimeoutMs: ALONE_TIMEOUT_MS });
      results.push({ kind: "applied", status: applied.statuses[0] ?? "stale", applied });
    } catch (error) {
      if (isLockTimeout(error)) results.push({ kind: "locked", ids: keysOf(item) });
      else if (isPoison(error)) results.push({ kind: "poison", error });
      else throw error;
    }
  }
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
