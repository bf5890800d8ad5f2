import { describe, expect } from "vitest";
import { Parameters } from "../../src/query/compile.js";
import type { RawRow } from "../../src/query/present.js";
import { search, searchPatiently } from "../../src/query/search-pool.js";
import { test } from "../support/database.js";

const SETTINGS = `current_setting('statement_timeout') as timeout, current_setting('enable_indexscan') as scans`;
/** Longer than a first attempt may take. */
const SLOW = `select ${SETTINGS} from (select pg_sleep(0.4)) as slept`;

const rowsOf = async (found: Promise<RawRow[]>) => (await found).map((row) => row.map(String));

describe("a search", () => {
  test("is tried within its timeout", async ({ db }) => {
    const rows = await rowsOf(search(db.database, `select ${SETTINGS}`, new Parameters(), { byIndex: true }));
    expect(rows).toEqual([["150ms", "on"]]);
  });

  test("whose plan guessed wrong is run once more, by its index where that knows the matches", async ({
    db,
  }) => {
    const run = (byIndex: boolean) => rowsOf(search(db.database, SLOW, new Parameters(), { byIndex }));
    expect(await run(true)).toEqual([["30s", "off"]]);
    expect(await run(false)).toEqual([["30s", "on"]]);
    // Nothing of that stays with the connection.
    const next = await rowsOf(search(db.database, `select ${SETTINGS}`, new Parameters(), { byIndex: true }));
    expect(next).toEqual([["150ms", "on"]]);
  });

  test("that has but one way takes its time", async ({ db }) => {
    expect(await rowsOf(searchPatiently(db.database, SLOW, new Parameters()))).toEqual([["30s", "on"]]);
  });

  test("that is wrong is told, and not repeated", async ({ db }) => {
    const wrong = search(db.database, "select 1 / 0", new Parameters(), { byIndex: true });
    await expect(wrong).rejects.toThrow("division by zero");
  });
});
