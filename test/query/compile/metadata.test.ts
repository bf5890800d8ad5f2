import { expect, test } from "vitest";
import { compileFilter } from "../../../src/query/compile.js";
import type { Metadata, MetadataTest } from "../../../src/query/condition.js";
import { Parameters } from "../../../src/query/parameters.js";
import type { Search } from "../../../src/query/where.js";

const search: Search = {
  statistics: {
    lettersBeyondAscii: true,
    users: 1000,
    shareOf: () => 0,
    shareIn: () => 0,
  } as unknown as Search["statistics"],
  mostByPieces: 0,
  nowMs: 0,
};

const of = (test: MetadataTest): Metadata => ({ kind: "metadata", object: "public", path: ["a"], test });
const among = (values: number): Metadata =>
  of({ operator: "in", values: Array.from({ length: values }, (_, n) => n) });

/** Whether Postgres is asked to estimate each of these. */
const estimated = (all: Metadata[]) =>
  compileFilter({ kind: "and", all }, new Parameters(), search).conditions.map(
    (sql) => !sql.startsWith("coalesce("),
  );

test("so many values are estimated that planning takes a moment, and the rest is compared all the same", () => {
  expect(estimated([among(60), among(40)])).toEqual([true, true]);
  expect(estimated([among(60), among(41), among(1)])).toEqual([true, false, false]);
  expect(estimated([among(101)])).toEqual([false]);
  const patterns = Array.from({ length: 12 }, (_, n) => of({ operator: "prefix", text: `p${n}` }));
  expect(estimated(patterns).filter(Boolean)).toHaveLength(10);
});
