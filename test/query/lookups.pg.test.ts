import fc from "fast-check";
import { describe, expect } from "vitest";
import { unwatched } from "../../src/db/connection/availability.js";
import type { Sql } from "../../src/db/connection/sql.js";
import { OURSELVES } from "../../src/lib/shares.js";
import { createLookups } from "../../src/query/lookups.js";
import { Parameters } from "../../src/query/parameters.js";
import { type TestDatabase, test } from "../support/database.js";

/** Each brings as many rows as its first value says, in another order. */
const UPWARDS = "select n::text, $2::text from generate_series(1, $1::int) n order by n";
const DOWNWARDS = "select n::text, $2::text from generate_series(1, $1::int) n order by n desc";

function parameters(...values: string[]): Parameters {
  const params = new Parameters();
  for (const value of values) params.add(value);
  return params;
}

/** Lookups, and how many statements they have sent. */
function counted({ sql }: TestDatabase) {
  const sent: string[] = [];
  const counting = new Proxy(sql, {
    get(target, name) {
      if (name !== "unsafe") return Reflect.get(target, name);
      return (text: string, ...rest: unknown[]) => {
        sent.push(text);
        return Reflect.apply(target.unsafe, target, [text, ...rest]);
      };
    },
  });
  const lookUp = createLookups(counting as Sql, unwatched.guard);
  const common = { asker: OURSELVES, isCommon: true };
  return {
    lookUp: (text: string, params: Parameters, rows = 1) => lookUp(text, params, { ...common, rows }),
    sent,
  };
}

describe("lookups", () => {
  test("bring each who asks at the same time what he would have got alone, in its order", async ({ db }) => {
    const { lookUp } = counted(db);
    const lookup = fc.record({
      text: fc.constantFrom(UPWARDS, DOWNWARDS),
      rows: fc.nat(4),
      mark: fc.oneof(fc.string(), fc.constantFrom("{", '"', "\\", ",", "null", "", "é😀")),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(lookup, { maxLength: 60 }), async (lookups) => {
        const found = await Promise.all(
          lookups.map(({ text, rows, mark }) =>
            lookUp(text, parameters(String(rows), mark.replaceAll("\0", ""))),
          ),
        );
        const expected = lookups.map(({ text, rows, mark }) => {
          const upwards = Array.from({ length: rows }, (_, n) => [String(n + 1), mark.replaceAll("\0", "")]);
          return text === UPWARDS ? upwards : upwards.reverse();
        });
        expect(found.map((rows) => rows.map((row) => row.map(String)))).toEqual(expected);
      }),
      { numRuns: 60 },
    );
  });

  test("share statements, unless they name much or may bring much", async ({ db }) => {
    const { lookUp, sent } = counted(db);
    const ask = (mark: string, rows?: number) => lookUp(UPWARDS, parameters("1", mark), rows);
    const all = (marks: string[], rows?: number) => Promise.all(marks.map((mark) => ask(mark, rows)));
    const few = Array.from({ length: 22 }, (_, n) => String(n));
    await all(few);
    // Two go at once, and what comes meanwhile goes together.
    expect(sent.splice(0)).toHaveLength(3);
    await all(few, 500);
    expect(sent.splice(0)).toHaveLength(22);
    await all(few.map((mark) => mark.padStart(500)));
    expect(sent).toHaveLength(22);
  });

  test("that fail fail those who share the statement, and nobody else", async ({ db }) => {
    const { lookUp } = counted(db);
    const divide = "select 1 / $1::int";
    const answers = await Promise.allSettled([
      ...["1", "1", "0", "1"].map((value) => lookUp(divide, parameters(value))),
      lookUp(UPWARDS, parameters("1", "other")),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([
      ...["fulfilled", "fulfilled", "rejected", "rejected"],
      "fulfilled",
    ]);
    expect(String(await lookUp(divide, parameters("1")))).toBe("1");
  });
});
