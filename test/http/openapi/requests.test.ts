// Covers src/http/openapi/{filter,requests,components}.ts

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SCOPES } from "../../../src/auth/scopes.js";
import { AppError } from "../../../src/lib/errors.js";
import { parseRetention } from "../../../src/query/aggregate/cohorts-request.js";
import { parseAggregate } from "../../../src/query/aggregate/request.js";
import { ELEMENT_OBJECTS, FIELDS, OPERATORS } from "../../../src/query/language/catalogue.js";
import { parseFilter } from "../../../src/query/language/json-filter.js";
import { parseLookup } from "../../../src/query/language/lookup-request.js";
import { parseUserQuery } from "../../../src/query/language/request.js";
import { jsonFilter } from "../../query/language/random-filters.js";
import { componentProblems } from "../../support/openapi.js";

const CONTEXT = { nowMs: 1_800_000_000_000, scopes: new Set(SCOPES) };

function isAccepted(parse: () => unknown): boolean {
  try {
    parse();
    return true;
  } catch (error) {
    if (error instanceof AppError) return false;
    throw error;
  }
}

/** Names and values of which some make a filter, and most don't. */
const names = fc.constantFrom(
  ...FIELDS.keys(),
  ...ELEMENT_OBJECTS.keys(),
  ...["and", "or", "not", "public_metadata.plan", "private_metadata.a", "public_metadata", "role", "nothing"],
);
const operators = fc.constantFrom(...OPERATORS, "like");
const scalar = fc.oneof(
  fc.constantFrom("", "a", "now-1d", null, true, 0, 1.5, 1_700_000_000_000),
  fc.string({ maxLength: 3 }),
);
const value = fc.oneof(scalar, fc.array(scalar, { maxLength: 2 }));
const asked = fc.oneof(value, fc.dictionary(operators, value, { maxKeys: 2 }));
const { filterLike } = fc.letrec<{ filterLike: Record<string, unknown> }>((tie) => ({
  filterLike: fc.dictionary(
    names,
    fc.oneof({ depthSize: "small" }, asked, tie("filterLike"), fc.array(tie("filterLike"), { maxLength: 2 })),
    { maxKeys: 3 },
  ),
}));

describe("the schema of filters", () => {
  test("accepts every filter of the language", () => {
    fc.assert(
      fc.property(jsonFilter, (filter) => {
        expect(componentProblems("Filter", filter)).toEqual([]);
      }),
    );
  });

  test("refuses nothing that the parser accepts, and accepts nothing of a wrong shape", () => {
    let [both, neither] = [0, 0];
    fc.assert(
      fc.property(filterLike, (filter) => {
        const problems = componentProblems("Filter", filter);
        const isFilter = isAccepted(() => parseFilter(filter, CONTEXT));
        if (isFilter) expect(problems).toEqual([]);
        if (isFilter) both++;
        else if (problems.length > 0) neither++;
      }),
      { numRuns: 2000 },
    );
    expect(both).toBeGreaterThan(100);
    expect(neither).toBeGreaterThan(100);
  });

  test.each([
    { nothing: 1 },
    { username: 1 },
    { username: {} },
    { username: { lt: "a" } },
    { username: { contains: "" } },
    { banned: "true" },
    { any: "ann" },
    { any: { eq: "ann" } },
    { created_at: true },
    { created_at: { contains: "2026" } },
    { and: {} },
    { or: [1] },
    { not: [] },
    { membership: "org_1" },
    { membership: { domain: "acme.com" } },
    { membership: { "private_metadata.a": 1 } },
    { email: { "public_metadata.a": 1 } },
    { public_metadata: { plan: "pro" } },
    { username: Array(1001).fill("a") },
  ])("and the parser refuse %j alike", (filter) => {
    expect(componentProblems("Filter", filter)).not.toEqual([]);
    expect(isAccepted(() => parseFilter(filter, CONTEXT))).toBe(false);
  });
});

describe("the schemas of bodies", () => {
  const parsers: Record<string, (text: string) => unknown> = {
    UserQuery: (text) => parseUserQuery(text, CONTEXT),
    Lookup: (text) => parseLookup(text, CONTEXT.scopes),
    Aggregate: (text) => parseAggregate(text, CONTEXT),
    Retention: (text) => parseRetention(text, CONTEXT),
  };

  test.each<[string, object, boolean]>([
    ["UserQuery", {}, true],
    ["UserQuery", { filter: {}, order_by: null, limit: null, cursor: null, fields: null, count: null }, true],
    ["UserQuery", { filter: null }, false],
    ["UserQuery", { limit: 500 }, true],
    ["UserQuery", { limit: 501 }, false],
    ["UserQuery", { limit: 0 }, false],
    ["UserQuery", { limit: 1.5 }, false],
    ["UserQuery", { limit: "10" }, false],
    ["UserQuery", { count: "estimated" }, true],
    ["UserQuery", { count: "exact" }, false],
    ["UserQuery", { order_by: Array(10).fill("id") }, true],
    ["UserQuery", { order_by: Array(11).fill("id") }, false],
    ["UserQuery", { order_by: "id" }, false],
    ["UserQuery", { fields: [] }, false],
    ["UserQuery", { fields: Array(100).fill("id") }, true],
    ["UserQuery", { fields: Array(101).fill("id") }, false],
    ["UserQuery", { offset: 1 }, false],
    ["Lookup", { by: "id", keys: [] }, true],
    ["Lookup", { by: "id", keys: Array(1000).fill("a") }, true],
    ["Lookup", { by: "id", keys: Array(1001).fill("a") }, false],
    ["Lookup", { by: "name", keys: ["a"] }, false],
    ["Lookup", { by: "id", keys: [1] }, false],
    ["Lookup", { by: "id" }, false],
    ["Aggregate", {}, true],
    ["Aggregate", { filter: {}, group_by: null, order_by: null, limit: null, cumulative: null }, true],
    ["Aggregate", { group_by: ["banned", { field: "created_at", bucket: "hour" }] }, true],
    ["Aggregate", { group_by: [{ field: "banned", bucket: null, time_zone: null }] }, true],
    ["Aggregate", { group_by: [{ field: "created_at", bucket: "year" }] }, false],
    ["Aggregate", { group_by: [{ bucket: "day" }] }, false],
    ["Aggregate", { group_by: [{ field: "banned", zone: "UTC" }] }, false],
    ["Aggregate", { group_by: Array(6).fill("banned") }, false],
    ["Aggregate", { order_by: ["-count", "key"] }, true],
    ["Aggregate", { order_by: ["keys"] }, false],
    ["Aggregate", { limit: 10_000 }, true],
    ["Aggregate", { limit: 10_001 }, false],
    ["Aggregate", { cumulative: 1 }, false],
    ["Retention", {}, true],
    ["Retention", { cohort: "month", periods: 100, time_zone: "Europe/Berlin" }, true],
    ["Retention", { cohort: null, periods: null, time_zone: null }, true],
    ["Retention", { cohort: "day" }, false],
    ["Retention", { periods: 101 }, false],
    ["Retention", { periods: 0 }, false],
  ])("%s and its parser agree on %j: %s", (name, body, isRight) => {
    expect(componentProblems(name, body).length === 0).toBe(isRight);
    expect(isAccepted(() => parsers[name]?.(JSON.stringify(body)))).toBe(isRight);
  });
});
