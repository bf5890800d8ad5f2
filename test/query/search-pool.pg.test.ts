import { describe, expect } from "vitest";
import { Parameters } from "../../src/query/compile.js";
import { search, searchPatiently } from "../../src/query/search-pool.js";
import { test } from "../support/database.js";

const SETTINGS = `current_setting('statement_timeout') as timeout, current_setting('enable_indexscan') as scans`;
/** Longer than a first attempt may take. */
const SLOW = `select ${SETTINGS} from (select pg_sleep(0.4)) as slept`;

describe("a search", () => {
  test("is tried within its timeout", async ({ db }) => {
    const rows = await search(db.database, `select ${SETTINGS}`, new Parameters(), { byIndex: true });
    expect(rows).toEqual([{ timeout: "150ms", scans: "on" }]);
  });

  test("whose plan guessed wrong is run once more, by its index where that knows the matches", async ({
    db,
  }) => {
    const run = (byIndex: boolean) => search(db.database, SLOW, new Parameters(), { byIndex });
    expect(await run(true)).toEqual([{ timeout: "30s", scans: "off" }]);
    expect(await run(false)).toEqual([{ timeout: "30s", scans: "on" }]);
    // Nothing of that stays with the connection.
    const next = await search(db.database, `select ${SETTINGS}`, new Parameters(), { byIndex: true });
    expect(next).toEqual([{ timeout: "150ms", scans: "on" }]);
  });

  test("that has but one way takes its time", async ({ db }) => {
    expect(await searchPatiently(db.database, SLOW, new Parameters())).toEqual([
      { timeout: "30s", scans: "on" },
    ]);
  });

  test("that is wrong is told, and not repeated", async ({ db }) => {
    const wrong = search(db.database, "select 1 / 0", new Parameters(), { byIndex: true });
    await expect(wrong).rejects.toThrow("division by zero");
  });
});
