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
    const rows = await rowsOf(
      search(db.database, `select ${SETTINGS}`, new Parameters(), { byIndex: true, hasTerm: true, rows: 10 }),
    );
    expect(rows).toEqual([["60ms", "on"]]);
  });

  test("whose plan guessed wrong is run once more, by its index where that knows the matches", async ({
    db,
  }) => {
    const run = (byIndex: boolean) =>
      rowsOf(search(db.database, SLOW, new Parameters(), { byIndex, hasTerm: true, rows: 10 }));
    expect(await run(true)).toEqual([["30s", "off"]]);
    expect(await run(false)).toEqual([["30s", "on"]]);
    // Nothing of that stays with the connection.
    const next = await rowsOf(
      search(db.database, `select ${SETTINGS}`, new Parameters(), { byIndex: true, hasTerm: true, rows: 10 }),
    );
    expect(next).toEqual([["60ms", "on"]]);
  });

  test("for a long page has more time", async ({ db }) => {
    const settings = search(db.database, `select ${SETTINGS}`, new Parameters(), {
      byIndex: true,
      hasTerm: true,
      rows: 500,
    });
    expect(await rowsOf(settings)).toEqual([["250ms", "on"]]);
  });

  test("of no term is priced as a walk along its order", async ({ db }) => {
    const cost = "select current_setting('cpu_index_tuple_cost')";
    const priced = (hasTerm: boolean) =>
      rowsOf(search(db.database, cost, new Parameters(), { byIndex: false, hasTerm, rows: 500 }));
    expect([await priced(true), await priced(false)]).toEqual([[["0.12"]], [["0.005"]]]);
  });

  test("that is given up is run as another statement, where there is one", async ({ db }) => {
    const instead = async () => [[Buffer.from("another")]];
    for (const rows of [10, 500]) {
      const found = search(db.database, SLOW, new Parameters(), {
        byIndex: false,
        hasTerm: true,
        rows,
        instead,
      });
      expect(await rowsOf(found)).toEqual([["another"]]);
    }
  });

  test("that has but one way takes its time", async ({ db }) => {
    expect(await rowsOf(searchPatiently(db.database, SLOW, new Parameters()))).toEqual([["30s", "on"]]);
  });

  test("that is wrong is told, and not repeated", async ({ db }) => {
    const wrong = search(db.database, "select 1 / 0", new Parameters(), {
      byIndex: true,
      hasTerm: true,
      rows: 10,
    });
    await expect(wrong).rejects.toThrow("division by zero");
  });
});
