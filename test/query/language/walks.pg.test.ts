import fc from "fast-check";
import { expect } from "vitest";
import { SCOPES } from "../../../src/auth/scopes.js";
import { unwatched } from "../../../src/db/connection/availability.js";
import { createQueryEngine } from "../../../src/query/engine.js";
import { parseUserQuery } from "../../../src/query/language/request.js";
import { createUserSearch } from "../../../src/query/user-search.js";
import { test } from "../../support/database.js";
import { filters, SIMILAR } from "./filters.js";
import { createModel, type Json } from "./model.js";
import { ordered } from "./model-orders.js";
import { NOW_MS, people, store } from "./people.js";
import { similarities } from "./similarities.js";

const USERS = 120;
const CASES = 300;

interface Answer {
  data: { id: string }[];
  next_cursor: string | null;
  total_count?: number;
  changes_cursor: string;
}

const ORDERS = [
  ...["id", "external_id", "username", "first_name", "last_name", "email_address", "email_domain"],
  ...["phone_number", "web3_wallet", "banned", "locked", "two_factor_enabled", "has_image", "created_at"],
  ...[
    "updated_at",
    "last_active_at",
    "last_sign_in_at",
    "name",
    "public_metadata.rank",
    "private_metadata.none",
  ],
];

const orders = (names: readonly string[]) =>
  fc.array(
    fc.tuple(fc.constantFrom("", "-", "+"), fc.constantFrom(...names)).map((parts) => parts.join("")),
    { minLength: 1, maxLength: 4 },
  );

const queries = (filter: fc.Arbitrary<Json>) =>
  fc.oneof(
    { arbitrary: fc.record({ filter, order_by: orders(ORDERS) }), weight: 3 },
    {
      arbitrary: fc
        .record({
          filter: filter.filter((one) => !JSON.stringify(one).includes('"similar"')),
          field: fc.constantFrom("name", "username", "email_address", "any", "first_name", "last_name"),
          similar: fc.constantFrom(...SIMILAR),
          others: fc.array(fc.constantFrom("username", "-created_at", "id"), { maxLength: 1 }),
          sign: fc.constantFrom("-", ""),
        })
        .map(({ filter, field, similar, others, sign }) => ({
          filter: { and: [filter], [field]: { similar } } as Json,
          order_by: [`${sign}_score`, ...others],
        })),
      weight: 1,
    },
  );

test("a walk by any orders has exactly whom an independent model keeps, in its order, and counts them", async ({
  db,
}) => {
  const world = people(USERS, 19);
  await store(db.sql, world);
  const { texts } = createModel({ ...world, similarity: () => 0 });
  const model = createModel({ ...world, similarity: await similarities(db.sql, SIMILAR, texts) });
  // Only then it is known how many different names there are.
  await db.sql`analyze mirror_data.user_search`;
  const nowMs = () => NOW_MS;
  const engine = createQueryEngine(db.database.readers, { guard: unwatched.guard, nowMs });
  const parts = { points: db.database.readers.points, guard: unwatched.guard, engine, nowMs };
  const search = createUserSearch(parts);
  const ask = async (body: object): Promise<Answer> => {
    const query = parseUserQuery(JSON.stringify(body), { nowMs: NOW_MS, scopes: new Set(SCOPES) });
    return JSON.parse(String(await search(query, { privateMetadata: true }, { key: "" })));
  };
  let several = 0;
  await fc.assert(
    fc.asyncProperty(
      queries(filters(world.users)),
      fc.integer({ min: 5, max: 60 }),
      async ({ filter, order_by }, limit) => {
        const matches = model.matches(filter);
        const expected = ordered(matches, order_by, (match) => model.score(filter, match));
        const ids: string[] = [];
        const body = { filter, order_by, limit, fields: ["id"] };
        let page = await ask({ ...body, count: true });
        const { changes_cursor: changesCursor, total_count: total } = page;
        expect(total).toBe(expected.length);
        for (;;) {
          ids.push(...page.data.map(({ id }) => id));
          expect(page.changes_cursor).toBe(changesCursor);
          if (page.next_cursor === null) break;
          expect(page.data).toHaveLength(limit);
          page = await ask({ ...body, cursor: page.next_cursor });
        }
        expect(ids).toEqual(expected);
        several += Number(ids.length > limit);
      },
    ),
    { numRuns: CASES, seed: 20_261_128 },
  );
  expect(several).toBeGreaterThan(CASES / 5);
}, 300_000);
