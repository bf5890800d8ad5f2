import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseListParams, type RawParams } from "../../src/query/clerk-params.js";
import { compileFilter } from "../../src/query/compile.js";
import { ORDER_FIELDS } from "../../src/query/order.js";
import { countStatement, pageStatement } from "../../src/query/page.js";
import { Parameters } from "../../src/query/parameters.js";
import { countStrategy, pageStrategy } from "../../src/query/strategy.js";
import type { Search } from "../../src/query/where.js";

const some = (...values: string[]) => fc.array(fc.constantFrom(...values), { minLength: 1, maxLength: 3 });
const lists = some("ann@example.com", "+1", "-1", " 1", "", "Ann");
const term = some("annabel", "zx", "é", "|", "%", "");
const time = some("0", "-1", "1700000000000");

/** Every filter, the order, and the page. */
const PARAMS: Record<string, fc.Arbitrary<string[]>> = {
  email_address: lists,
  phone_number: lists,
  username: lists,
  web3_wallet: lists,
  external_id: lists,
  user_id: lists,
  organization_id: lists,
  provider: some("oauth_google", "google"),
  provider_user_id: lists,
  query: term,
  email_address_query: term,
  phone_number_query: term,
  username_query: term,
  name_query: term,
  banned: some("true", "false"),
  created_at_before: time,
  created_at_after: time,
  last_active_at_before: time,
  last_active_at_after: time,
  last_active_at_since: time,
  last_sign_in_at_before: time,
  last_sign_in_at_after: time,
  order_by: fc.constantFrom(...ORDER_FIELDS.flatMap((field) => [[field], [`-${field}`]])),
  limit: some("1", "20", "500"),
  offset: some("0", "7", "1000"),
};

const params = fc
  .record(PARAMS, { requiredKeys: [] })
  .filter((given) => (given.provider === undefined) === (given.provider_user_id === undefined));

/** The same parameters in two orders. */
const twice = params.chain((given) => {
  const entries = Object.entries(given).filter(
    (entry): entry is [string, string[]] => entry[1] !== undefined,
  );
  const shuffled = fc.shuffledSubarray(entries, { minLength: entries.length });
  return fc.tuple(fc.constant(entries), shuffled).map((both) => both.map((one) => Object.fromEntries(one)));
});

/** Half of all pieces are common. */
const search: Search = {
  statistics: {
    trigramSchema: "public",
    lettersBeyondAscii: true,
    users: 1000,
    distinctNames: { first_name: 0, last_name: 0 },
    shareOf: ([gram = ""]) => gram.length % 2,
    shareIn: () => 0,
  },
  mostByPieces: 0.5,
  nowMs: 0,
};

/** What is sent to Postgres for a list and a count, and how. */
function sentFor(given: RawParams) {
  const { filter, ...request } = parseListParams(given);
  const values = new Parameters();
  const where = compileFilter(filter, values, search);
  return {
    count: [countStatement(where), countStrategy(where), [...values.values]],
    page: [
      pageStatement(where, { ...request, after: null, fromEnd: false }, values),
      pageStrategy(where, request),
      values.values,
    ],
  };
}

describe("parameters of a list or count", () => {
  test("become the same statements, values and strategies in whatever order they stand", () => {
    fc.assert(
      fc.property(twice, ([one = {}, other = {}]) => {
        expect(sentFor(other)).toEqual(sentFor(one));
      }),
      { numRuns: 500 },
    );
  });

  test("spelled `name`, `name[]` or `name[0]` become the same", () => {
    fc.assert(
      fc.property(lists, fc.constantFrom("[]", "[0]"), (values, suffix) => {
        expect(sentFor({ [`external_id${suffix}`]: values })).toEqual(sentFor({ external_id: values }));
      }),
    );
  });
});
