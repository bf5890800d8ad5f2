import fc from "fast-check";
import { expect } from "vitest";
import { SCOPES } from "../../../src/auth/scopes.js";
import { unwatched } from "../../../src/db/connection/availability.js";
import { compileFilter } from "../../../src/query/compile.js";
import { parseFilter } from "../../../src/query/language/json-filter.js";
import { Parameters } from "../../../src/query/parameters.js";
import { createTermStatistics } from "../../../src/query/term-statistics.js";
import { fromOf, whereClause } from "../../../src/query/where.js";
import { test } from "../../support/database.js";
import { filters, SIMILAR } from "./filters.js";
import { createModel, type Json } from "./model.js";
import { people, store } from "./people.js";
import { similarities } from "./similarities.js";

const USERS = 240;
const CASES = 2500;

test("filters keep exactly whom an independent model keeps", async ({ db }) => {
  const world = people(USERS, 18);
  await store(db.sql, world);
  const { texts } = createModel({ ...world, similarity: () => 0 });
  const { matches } = createModel({ ...world, similarity: await similarities(db.sql, SIMILAR, texts) });
  const statistics = await createTermStatistics(db.sql, unwatched.guard)();
  const statementOf = (filter: Json, gather: boolean) => {
    const params = new Parameters();
    const condition = parseFilter(filter, { nowMs: world.nowMs, scopes: new Set(SCOPES) });
    const distinctNames = { first_name: 1, last_name: 1 };
    const search = {
      statistics: { ...statistics, distinctNames },
      mostByPieces: 1,
      nowMs: Date.now(),
      gather,
    };
    const where = compileFilter(condition, params, search);
    const { from, id } = fromOf(where);
    return { text: `select ${id} as id from ${from} ${whereClause(where.conditions)}`, params };
  };
  const keptBySql = async ({ text, params }: ReturnType<typeof statementOf>) => {
    const rows = await db.sql.unsafe<{ id: string }[]>(text, [...params.values]);
    return rows.map((row) => row.id);
  };
  let split = 0;
  let gathered = 0;
  await fc.assert(
    fc.asyncProperty(filters(world.users), async (filter) => {
      const expected = matches(filter).map(({ user }) => user.id);
      const one = statementOf(filter, false);
      expect((await keptBySql(one)).sort()).toEqual(expected.sort());
      const other = statementOf(filter, true);
      if (other.text !== one.text) {
        expect((await keptBySql(other)).sort()).toEqual(expected);
        gathered++;
      }
      split += Number(expected.length > 0 && expected.length < USERS);
    }),
    { numRuns: CASES, seed: 20_261_128 },
  );
  // A good part of the cases keeps some and leaves some out.
  expect(split).toBeGreaterThan(CASES / 3);
  expect(gathered).toBeGreaterThan(10);
}, 300_000);
