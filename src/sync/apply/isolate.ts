import type { Sql } from "../../db/connection/sql.js";
import { codeOf, isLockTimeout } from "../../db/connection/trouble.js";
import { AppError } from "../../lib/errors.js";
import { applyItems } from "./apply.js";
import type { Applied, ApplyOptions, Item, ItemStatus } from "./batch.js";
import { keysOf, lockedAmong } from "./locked.js";

/**
 * What became of one item. `poison`: it will always fail, and belongs among the dead letters. `locked`: another session holds
 * a lock on one of `ids`, and nothing of the item is stored.
 */
export type Isolated =
  | { kind: "applied"; status: ItemStatus; applied: Applied }
  | { kind: "poison"; error: Error }
  | { kind: "locked"; ids: readonly string[] };

export interface IsolateOptions extends ApplyOptions {
  /** Some of the items are known to have been locked: find out which before applying any, and don't wait for locks. */
  looksFirst?: boolean;
}

/** Batches that share rows finish well within this time. A lock that is held longer belongs to a session that is stuck. */
const TOGETHER_TIMEOUT_MS = 500;
/** For the free items, once another session is known to hold locks: they shouldn't wait. */
const AROUND_TIMEOUT_MS = 100;
const ALONE_TIMEOUT_MS = 50;
/** A lock that can't be seen is found by applying each item alone. No more than this, which is a batch of webhooks. */
const MOST_TRIED_ALONE = 64;

/**
 * Applies a batch. If it fails, each item is applied alone, so that neither a poison user nor one whose row is locked by
 * another session stops the rest. Throws when the failure isn't caused by an item (deadlock, timeout, disk, connection): the
 * caller then repeats the whole batch, which is safe. `within` commits with the batch; where items were applied alone, after
 * the last of them; and where an item is locked, not at all.
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

/** If a whole table is locked, every item counts as locked. */
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
 * Errors that repeating won't cure: failed validation, Postgres' errors about data (class 22) and constraints (class 23), and
 * JSON that is nested so deep that walking it exhausts the stack.
 */
export function isPoison(error: unknown): error is Error {
  if (error instanceof AppError) return error.code === "invalid_payload";
  if (error instanceof RangeError) return true;
  return /^2[23]/.test(codeOf(error));
}
