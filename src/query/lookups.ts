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
  /** How many rows it may bring, where that can be many. */
  rows?: number;
  /**
   * The statement is one of few: its plan stays with the connections, and those that differ in their values alone go
   * together. Of the others there are as many as callers care to think of, and nothing of them may stay.
   */
  isCommon: boolean;
}

/**
 * Runs statements that bring few rows: those that differ in their values alone, and are asked for at one time, as one.
 * Rejects with `overloaded` where too many wait.
 */
export type Lookups = (text: string, params: Parameters, options: LookupOptions) => Promise<RawRow[]>;

/** More than there are common texts: of what is looked up by, in its orders, and as a count. */
const TEXTS_KEPT = 200;

/** What names dozens of users, or asks for as many rows, brings enough to be worth a round trip of its own. */
const LONGEST_TOGETHER = 400;
const MOST_ROWS_TOGETHER = 50;

/** Those that go alone: a second's worth, by keys in turn. */
const WAITING = { mostWaiting: 1000, longestWaitMs: 10_000 };

/**
 * Most of a lookup's price is the round trip: waking the connection's server process, and being woken by it. `guard`
 * stands around each run. No more go at once than there are connections: reads by id, which share them, wait behind that
 * many at most.
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
 * The same statement for many sets of values, and the number of the set before each row. Each set's rows stay in their
 * order: the lateral join goes through the sets one after another.
 */
export function forManySets(text: string, columns: number): string {
  const names = Array.from({ length: columns }, (_, n) => `v${n + 1}`);
  const arrays = names.map((_, n) => `$${n + 1}::text::text[]`);
  return `select sets.number, found.*
    from unnest(${arrays.join(", ")}) with ordinality as sets(${[...names, "number"].join(", ")})
    cross join lateral (${text.replace(/\$(\d+)/g, "sets.v$1")}) as found`;
}
