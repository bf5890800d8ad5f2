import { LRUCache } from "lru-cache";
import type { Availability } from "../db/connection/availability.js";
import { textArray } from "../db/connection/bulk.js";
import type { Sql } from "../db/connection/sql.js";
import { createGate } from "../lib/async.js";
import { createPointReads, type PointReads } from "../lib/point-reads.js";
import { type Asker, createShares } from "../lib/shares.js";
import type { Parameters } from "./parameters.js";
import type { RawRow } from "./present.js";

export interface LookupOptions {
  asker: Asker;
  /** How many rows it may bring at most, where that can be many. */
  rows?: number;
  /**
   * There are few statements like this one: its plan is kept by the connections, and lookups that differ only in their
   * values share a round trip. Other statements can be as many as callers make up, so nothing of them may be kept.
   */
  isCommon: boolean;
}

/**
 * Runs statements that bring few rows. Those that are asked for at the same time, and differ only in their values, are sent
 * as one statement. Rejects with `overloaded` where too many wait.
 */
export type Lookups = (text: string, params: Parameters, options: LookupOptions) => Promise<RawRow[]>;

/** More than there are common texts: one for each kind of lookup, as a list and as a count. */
const TEXTS_KEPT = 200;

/** A lookup of dozens of users, or for as many rows, brings enough to be worth a round trip of its own. */
const LONGEST_TOGETHER = 400;
const MOST_ROWS_TOGETHER = 50;

/** For lookups with a round trip of their own: about as many as are done in a second. Keys take turns. */
const WAITING = { mostWaiting: 1000, longestWaitMs: 10_000 };

/**
 * Most of a lookup's price is the round trip: waking the connection's server process, and being woken by it. Each run is
 * guarded. No more statements are sent at once than there are connections, so that reads by id, which use the same
 * connections, wait behind that many at most.
 */
export function createLookups(sql: Sql, guard: Availability["guard"]): Lookups {
  const byText = new LRUCache<string, PointReads<RawRow[]>>({ max: TEXTS_KEPT });
  const width = sql.options.max;
  const together = createGate(width);
  const alone = createShares({ width, ...WAITING });

  function reads(text: string, columns: number): PointReads<RawRow[]> {
    const known = byText.get(text);
    if (known) return known;
    const forAll = forManySets(text, columns);
    const made = createPointReads<RawRow[]>((keys) =>
      together(() => guard(() => run(forAll, columns, keys))),
    );
    byText.set(text, made);
    return made;
  }

  async function run(text: string, columns: number, keys: readonly string[]): Promise<Map<string, RawRow[]>> {
    const sets = keys.map((key) => JSON.parse(key) as string[]);
    const values = Array.from({ length: columns }, (_, n) => textArray(sets.map((set) => set[n] ?? "")));
    const rows: RawRow[] = await sql.unsafe(text, values, { prepare: true }).raw();
    const found = new Map<string, RawRow[]>(keys.map((key) => [key, []]));
    for (const [number, ...row] of rows) found.get(keys[Number(number) - 1] ?? "")?.push(row);
    return found;
  }

  return async (text, { values }, { asker, isCommon, rows = 1 }) => {
    const key = JSON.stringify(values.map(String));
    if (!isCommon || key.length > LONGEST_TOGETHER || rows > MOST_ROWS_TOGETHER) {
      return guard(() => alone.run(asker, () => sql.unsafe(text, [...values], { prepare: isCommon }).raw()));
    }
    return (await reads(text, values.length)(key)) ?? [];
  };
}

/**
 * The same statement for many sets of values; each row begins with the number of its set. The rows of a set keep their
 * order: the lateral join reads the sets one after another.
 */
export function forManySets(text: string, columns: number): string {
  const names = Array.from({ length: columns }, (_, n) => `v${n + 1}`);
  const arrays = names.map((_, n) => `$${n + 1}::text::text[]`);
  return `select sets.number, found.*
    from unnest(${arrays.join(", ")}) with ordinality as sets(${[...names, "number"].join(", ")})
    cross join lateral (${text.replace(/\$(\d+)/g, "sets.v$1")}) as found`;
}
