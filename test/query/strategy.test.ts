import { describe, expect, test } from "vitest";
import { COLUMNS, type Column } from "../../src/query/columns.js";
import type { SortKey } from "../../src/query/order-keys.js";
import { walkStrategy } from "../../src/query/strategy.js";
import type { Traits } from "../../src/query/where.js";

const PLAIN: Traits = {
  ...{ tables: new Set(), joins: [], source: null, similarities: [], size: 1 },
  ...{ few: false, spread: false, terms: null, hasCommonPieces: false },
};

const key = (column: Column): SortKey => ({ ...column, type: "text", descending: true });
const CREATED = [key(COLUMNS.created_at), key(COLUMNS.id)];

const strategy = (traits: Partial<Traits>, keys = CREATED, total: number | null = null) =>
  walkStrategy({ ...PLAIN, ...traits }, keys, { limit: 50, total, users: 1_000_000 });

describe("a page of a walk", () => {
  test("is guessed along the order of an index first, then from all who match", () => {
    expect(strategy({})).toMatchObject({
      ...{ gathered: null, first: { how: "guess" } },
      ...{ otherwise: "as asked", isAllFirst: true },
    });
  });

  test("isn't guessed where no index has its order: everybody is put in order at once", () => {
    for (const leading of [COLUMNS.banned, COLUMNS.name, COLUMNS.primary_domain]) {
      expect(strategy({}, [key(leading), key(COLUMNS.id)])).toEqual({
        ...{ gathered: null, first: null },
        ...{ otherwise: "as asked", isAllFirst: false },
      });
    }
  });

  test("isn't guessed where it is known that few match", () => {
    expect(strategy({}, CREATED, 1000)).toMatchObject({ first: null, isAllFirst: true });
    expect(strategy({}, CREATED, 200_000)).toMatchObject({ first: { how: "guess" } });
  });

  test("is looked up where values name the users, whatever the order", () => {
    for (const keys of [CREATED, [key(COLUMNS.banned)]]) {
      expect(strategy({ few: true }, keys, 1)).toMatchObject({ gathered: null, first: { how: "lookup" } });
    }
  });

  test("begins with who is gathered from several indexes, and with nothing else where names are similar", () => {
    expect(strategy({ spread: true }).gathered).toMatchObject({ how: "guess", limit: "few" });
    expect(strategy({ spread: true, few: true, similarities: ["0.5"] })).toEqual({
      ...{ gathered: null, first: null },
      ...{ otherwise: "by similarity", isAllFirst: true },
    });
  });
});
