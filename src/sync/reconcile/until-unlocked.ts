import type { Sql } from "../../db/connection/sql.js";
import { sleep } from "../../lib/async.js";
import { AppError } from "../../lib/errors.js";
import type { ApplyOptions, Item } from "../apply/batch.js";
import { applyInChunks } from "../apply/chunks.js";
import type { Isolated } from "../apply/isolate.js";

/** Half a minute in all. A session that holds a row for longer fails the run, which begins again where it stood. */
const RETRY_MS = 1000;
const ATTEMPTS = 20;

export interface UntilUnlockedOptions extends ApplyOptions {
  signal?: AbortSignal | undefined;
  /** How many bytes the items have, if that may be many. */
  bytes?: number;
}

type Unlocked = Exclude<Isolated, { kind: "locked" }>;

/**
 * Applies all of these for a run: at once what is free, and rows that another session holds as soon as they become
 * free. Holds no connection while it waits. Throws `database_unavailable`, naming what stays locked.
 */
export async function applyUntilUnlocked(
  sql: Sql,
  items: readonly Item[],
  { signal, bytes = 0, ...options }: UntilUnlockedOptions,
): Promise<Unlocked[]> {
  const results = new Map<Item, Unlocked>();
  for (let attempt = 1; ; attempt++) {
    const open = items.filter((item) => !results.has(item));
    const locked: string[] = [];
    const openBytes = (bytes * open.length) / Math.max(1, items.length);
    for (const [index, result] of (await applyInChunks(sql, open, openBytes, options)).entries()) {
      if (result.kind === "locked") locked.push(...result.ids);
      else results.set(open[index] as Item, result);
    }
    if (locked.length === 0) return items.map((item) => results.get(item) as Unlocked);
    if (attempt === ATTEMPTS) {
      const which = locked.slice(0, 5).join(", ");
      throw new AppError(
        "database_unavailable",
        `Another session of Postgres holds rows of a walk: ${which}.`,
      );
    }
    await sleep(RETRY_MS, signal);
  }
}
