import { LRUCache } from "lru-cache";
import type { Availability } from "../db/availability.js";
import { textArray } from "../db/bulk.js";
import type { Sql } from "../db/client.js";
import type { Parameters } from "./compile.js";
import { createPointReads, type PointReads } from "./point-reads.js";
import type { RawRow } from "./present.js";

/**
 * Runs statements that bring few rows: those that differ in their values alone, and are asked for at one time, as one.
 * `rows` says how many it may bring where that can be many.
 */
export type Lookups = (text: string, params: Parameters, rows?: number) => Promise<RawRow[]>;

/** Texts differ in what is looked up by, and in the order: that many are kept with what waits for them. */
const TEXTS_KEPT = 200;

/** What names dozens of users, or asks for as many rows, brings enough to be worth a round trip of its own. */
const LONGEST_TOGETHER = 400;
const MOST_ROWS_TOGETHER = 50;

/**
 * Most of a lookup's price is the round trip: waking the connection's server process, and being woken by it. `guard`
 * stands around each run.
 */
export function createLookups(sql: Sql, guard: Availability["guard"]): Lookups {
  const byText = new LRUCache<string, PointReads<RawRow[]>>({ max: TEXTS_KEPT });

  function reads(text: string, columns: number): PointReads<RawRow[]> {
    const known = byText.get(text);
    if (known) return known;
    const together = forManySets(text, columns);
    const made = createPointReads<RawRow[]>((keys) => guard(() => run(together, columns, keys)));
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

  return async (text, { values }, rows = 1) => {
    const key = JSON.stringify(values.map(String));
    if (key.length > LONGEST_TOGETHER || rows > MOST_ROWS_TOGETHER) {
      return guard(() => sql.unsafe(text, [...values], { prepare: true }).raw());
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
