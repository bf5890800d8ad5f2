import { describe, expect } from "vitest";
import { type Asker, OURSELVES } from "../../src/lib/shares.js";
import { Parameters } from "../../src/query/parameters.js";
import type { RawRow } from "../../src/query/present.js";
import { createRun } from "../../src/query/run.js";
import { createSearches } from "../../src/query/search-pool.js";
import { guess } from "../../src/query/strategy.js";
import { type TestDatabase, test } from "../support/database.js";

const SETTINGS = `current_setting('statement_timeout') as timeout, current_setting('enable_indexscan') as scans`;
/** Longer than a first attempt may take. */
const SLOW = `select ${SETTINGS} from (select pg_sleep(0.4)) as slept`;

interface Given {
  byIndex: boolean;
  hasTerm: boolean;
  rows: number;
  instead?: () => Promise<RawRow[]>;
}

const noLookups = () => Promise.reject(new Error("no lookup"));

const searching = ({ database }: TestDatabase) => {
  const searches = createSearches(database.readers);
  const run = createRun({ lookUp: noLookups, searches });
  return {
    search(text: string, { byIndex, hasTerm, rows, instead }: Given) {
      const terms = byIndex ? "by index" : hasTerm ? "by looking" : null;
      const strategy = guess({ terms, hasCommonPieces: instead !== undefined && !byIndex }, rows, true);
      return run({ text, params: new Parameters() }, strategy, OURSELVES, instead);
    },
    patiently: (text: string, asker: Asker = OURSELVES) =>
      run({ text, params: new Parameters() }, { how: "patiently" }, asker),
  };
};

const rowsOf = async (found: Promise<RawRow[]>) => (await found).map((row) => row.map(String));

describe("a search", () => {
  test("is tried within its timeout", async ({ db }) => {
    const rows = await rowsOf(
      searching(db).search(`select ${SETTINGS}`, { byIndex: true, hasTerm: true, rows: 10 }),
    );
    expect(rows).toEqual([["60ms", "on"]]);
  });

  test("whose plan guessed wrong is run once more, or what gathers its matches where indexes know them", async ({
    db,
  }) => {
    const given = { hasTerm: true, rows: 10 };
    const instead = async () => [[Buffer.from("gathered")]];
    const byIndex = searching(db).search(SLOW, { ...given, byIndex: true, instead });
    expect(await rowsOf(byIndex)).toEqual([["gathered"]]);
    const byLooking = searching(db).search(SLOW, { ...given, byIndex: false });
    expect(await rowsOf(byLooking)).toEqual([["30s", "on"]]);
    // Nothing of that stays with the connection.
    const next = await rowsOf(
      searching(db).search(`select ${SETTINGS}`, { byIndex: true, hasTerm: true, rows: 10 }),
    );
    expect(next).toEqual([["60ms", "on"]]);
  });

  test("for a long page has more time", async ({ db }) => {
    const settings = searching(db).search(`select ${SETTINGS}`, {
      byIndex: true,
      hasTerm: true,
      rows: 500,
    });
    expect(await rowsOf(settings)).toEqual([["250ms", "on"]]);
  });

  test("of no term is priced as a walk along its order", async ({ db }) => {
    const cost = "select current_setting('cpu_index_tuple_cost')";
    const priced = (hasTerm: boolean) =>
      rowsOf(searching(db).search(cost, { byIndex: false, hasTerm, rows: 500 }));
    expect([await priced(true), await priced(false)]).toEqual([[["0.12"]], [["0.005"]]]);
  });

  test("that is given up is run as another statement, where there is one", async ({ db }) => {
    const instead = async () => [[Buffer.from("another")]];
    for (const rows of [10, 500]) {
      const found = searching(db).search(SLOW, {
        byIndex: false,
        hasTerm: true,
        rows,
        instead,
      });
      expect(await rowsOf(found)).toEqual([["another"]]);
    }
  });

  test("that has but one way takes its time", async ({ db }) => {
    expect(await rowsOf(searching(db).patiently(SLOW))).toEqual([["30s", "on"]]);
  });

  test("of one key, however many and however long, leaves a place for another key's", async ({ db }) => {
    const { patiently } = searching(db);
    const long = Array.from({ length: 6 }, () => patiently("select pg_sleep(0.7)", { key: "long" }));
    let ended = 0;
    for (const one of long) void one.then(() => ended++);
    expect(await rowsOf(patiently("select 1", { key: "another" }))).toEqual([["1"]]);
    expect(ended).toBe(0);
    await Promise.all(long);
  });

  test("that takes its time has two processes to help it, and one where others wait for their turn", async ({
    db,
  }) => {
    const searches = createSearches(db.database.readers);
    const helpers = "select current_setting('max_parallel_workers_per_gather')";
    const asked = (key: string) =>
      rowsOf(searches.thoroughly(helpers, new Parameters(), "as asked", { key }));
    expect(await asked("a")).toEqual([["2"]]);
    expect(await Promise.all([asked("a"), asked("a"), asked("b")])).toContainEqual([["1"]]);
    expect(await asked("a")).toEqual([["2"]]);
  });

  test("nobody waits for any more is cancelled, and its connection does the next", async ({ db }) => {
    const { patiently } = searching(db);
    const leaving = new AbortController();
    const asker = { key: "a", signal: leaving.signal };
    const left = patiently("select pg_sleep(25)", asker).catch((error) => error);
    const sleeping = async () => {
      const [row] = await db.sql<{ n: number }[]>`
        select count(*)::bigint as n from pg_stat_activity
        where datname = current_database() and query = 'select pg_sleep(25)' and state = 'active'`;
      return row?.n;
    };
    await expect.poll(sleeping).toBe(1);
    leaving.abort();
    expect(await left).toMatchObject({ code: "bad_request" });
    expect(await sleeping()).toBe(0);
    expect(await rowsOf(patiently("select 1"))).toEqual([["1"]]);
  });

  test("that costs what its asker makes it cost is ended after ten seconds, and refused", async ({ db }) => {
    // Two of them, so that neither waits for the other.
    const [searches, others] = [createSearches(db.database.readers), createSearches(db.database.readers)];
    const none = new Parameters();
    const refused = { code: "invalid_request", clerkCode: "query_too_expensive" };
    const alone = searches.thoroughly("select pg_sleep(60)", none, "as asked", OURSELVES);
    // Whoever waits for it meanwhile isn't refused.
    const behind = searches.thoroughly("select 1", none, "as asked", { key: "another" });
    // Of several it is the time of all together.
    const together = others.together(OURSELVES, async (run) => {
      await run.thoroughly("select pg_sleep(5)", none, "by similarity");
      return run.thoroughly("select pg_sleep(9)", none, "as asked");
    });
    await Promise.all([alone, together].map((search) => expect(search).rejects.toMatchObject(refused)));
    expect(await rowsOf(behind)).toEqual([["1"]]);
  }, 60_000);

  test("of several statements sees one moment in all of them, also behind a guess that was given up", async ({
    db,
  }) => {
    const searches = createSearches(db.database.readers);
    const none = new Parameters();
    const count = "select count(*)::text from mirror_data.users";
    const seen = await searches.together(OURSELVES, async (run) => {
      const first = await run.thoroughly(count, none, "as asked");
      await db.sql`insert into mirror_data.users (id) values ('user_new')`;
      const guessed = await run.guess("select pg_sleep(60)", none, "short page");
      const second = await run.guess(count, none, "short page");
      return [String(first[0]), guessed, String(second?.[0])];
    });
    expect(seen).toEqual(["0", null, "0"]);
  });

  test("of several statements that nobody waits for any more is cancelled", async ({ db }) => {
    const searches = createSearches(db.database.readers);
    const leaving = new AbortController();
    const running = searches.together({ key: "", signal: leaving.signal }, (run) => {
      const slept = run.thoroughly("select pg_sleep(60)", new Parameters(), "as asked");
      setTimeout(() => leaving.abort(), 300);
      return slept;
    });
    await expect(running).rejects.toMatchObject({ code: "bad_request" });
  });

  test("that is wrong is told, and not repeated", async ({ db }) => {
    const wrong = searching(db).search("select 1 / 0", {
      byIndex: true,
      hasTerm: true,
      rows: 10,
    });
    await expect(wrong).rejects.toThrow("division by zero");
  });
});
