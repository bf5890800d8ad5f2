import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SCOPES } from "../../../../src/auth/scopes.js";
import {
  type FilterRow,
  type FilterRows,
  filterFromRows,
  operatorsOfField,
  paramsFromRows,
  rowsFromFilter,
  rowsFromParams,
} from "../../../../src/http/dashboard/model/filter-rows.js";
import { FIELDS } from "../../../../src/query/language/catalogue.js";
import { parseFilter } from "../../../../src/query/language/json-filter.js";
import { jsonFilter } from "../../../query/language/random-filters.js";

const CONTEXT = { nowMs: 1_800_000_000_000, scopes: new Set(SCOPES) };
const rows = (...all: [field: string, operator: string, value: string][]): FilterRow[] =>
  all.map(([field, operator, value]) => ({ field, operator, value }));
const filterOf = (given: FilterRows) => filterFromRows(given, CONTEXT).filter;

describe("the rows of the filter builder", () => {
  test.each([
    [rows(["public_metadata.plan", "eq", "pro"]), { "public_metadata.plan": "pro" }],
    [
      rows(["created_at", "gte", "now-30d"], ["created_at", "lt", "now"]),
      { created_at: { gte: "now-30d", lt: "now" } },
    ],
    [
      rows(
        ["membership.organization_id", "eq", "org_1"],
        ["banned", "eq", "false"],
        ["membership.role", "in", "a, b"],
      ),
      { banned: false, membership: { organization_id: "org_1", role: ["a", "b"] } },
    ],
    [
      rows(["any", "contains", "a"], ["any", "contains", "b"], ["email.verified", "eq", "true"]),
      { and: [{ any: { contains: "a" } }, { any: { contains: "b" } }, { email: { verified: true } }] },
    ],
    [rows(["external_id", "exists", "false"]), { external_id: { exists: false } }],
    [[], {}],
  ])("all hold: %j", (all, filter) => {
    expect(filterOf({ match: "all", rows: all })).toEqual(filter);
  });

  test("any holds: each is by itself, also those of a membership", () => {
    const any = rows(
      ["membership.role", "eq", "a"],
      ["membership.role", "eq", "b"],
      ["locked", "ne", "true"],
    );
    expect(filterOf({ match: "any", rows: any })).toEqual({
      or: [{ membership: { role: "a" } }, { membership: { role: "b" } }, { locked: { ne: true } }],
    });
  });

  test("what is wrong is said of its row, and the others make the filter", () => {
    const all = rows(
      ["username", "eq", "x"],
      ["usrname", "eq", "x"],
      ["created_at", "gte", "yesterday"],
      ["banned", "contains", "x"],
      ["username", "", "x"],
      ["username", "eq", " "],
      ["email.role", "eq", "x"],
      ['public_metadata."a', "eq", "x"],
    );
    const { filter, problems } = filterFromRows({ match: "all", rows: all }, CONTEXT);
    expect(filter).toEqual({ username: "x" });
    expect(Object.fromEntries(problems)).toEqual({
      1: expect.stringContaining("Did you mean username?"),
      2: expect.stringContaining("created_at.gte must be a time"),
      3: expect.stringContaining("can't be asked with contains. It can be: eq, ne, in, nin, exists."),
      4: "Choose how to compare.",
      5: "Enter a value.",
      6: expect.stringContaining("is not a field of email"),
      7: expect.stringContaining("has no key of metadata"),
    });
  });

  test("private metadata are refused at their row without the scope", () => {
    const all = rows(["private_metadata.a", "eq", "x"]);
    const { filter, problems } = filterFromRows(
      { match: "all", rows: all },
      { nowMs: 0, scopes: new Set(["users:read"]) },
    );
    expect(filter).toEqual({});
    expect(problems.get(0)).toContain("private_metadata:read");
  });

  test("each field is offered what can be asked of it", () => {
    expect(operatorsOfField("any")).toEqual(["contains", "prefix", "suffix", "similar"]);
    expect(operatorsOfField("email.verified")).toContain("eq");
    expect(operatorsOfField("membership.public_metadata.a")).toContain("gte");
    expect(operatorsOfField("email.public_metadata.a")).toBeNull();
    expect(operatorsOfField("__proto__")).toBeNull();
  });

  test("stand in a link", () => {
    const field = fc.oneof(
      fc.constantFrom(...FIELDS.keys(), "membership.role", "public_metadata.a"),
      fc.string(),
    );
    const row = fc.record({
      field: field.map((f) => f.trim()),
      operator: fc.string(),
      value: fc.string({ minLength: 1 }),
    });
    const given = fc.record({
      match: fc.constantFrom("all" as const, "any" as const),
      rows: fc.array(
        row.filter((r) => r.field !== ""),
        { minLength: 1, maxLength: 10 },
      ),
    });
    fc.assert(
      fc.property(given, (builder) => {
        const link = new URLSearchParams(paramsFromRows(builder)).toString();
        expect(rowsFromParams(new URLSearchParams(link))).toEqual(builder);
      }),
    );
  });

  test("are compared as their field can be while no value is entered", () => {
    const params = new URLSearchParams("field=any&op=eq&value=&field=username&op=exists&value=");
    expect(rowsFromParams(params).rows).toEqual(
      rows(["any", "contains", ""], ["username", "exists", "true"]),
    );
  });

  test("one is removed, and one without a field isn't there", () => {
    const params = new URLSearchParams(
      "field=a&op=eq&value=1&field=b&op=ne&value=2&field=&op=&value=&remove=0",
    );
    expect(rowsFromParams(params)).toEqual({ match: "all", rows: rows(["b", "ne", "2"]) });
  });
});

describe("a filter as rows", () => {
  test.each([
    [{ not: { banned: true } }],
    [{ or: [{ username: "a", locked: true }] }],
    [{ and: [{ membership: { role: "a" } }, { membership: { role: "b" } }] }],
    [{ membership: {} }],
    [{ username: [] }],
    [{ username: ["a", null] }],
    [{ banned: true, or: [{ username: "a" }] }],
  ])("isn't possible for %j", (filter) => {
    expect(rowsFromFilter(filter)).toBeNull();
  });

  test("and back is the same filter, through a link", () => {
    let shown = 0;
    fc.assert(
      fc.property(jsonFilter, (filter) => {
        const builder = rowsFromFilter(filter);
        if (builder === null) return;
        shown++;
        const link = new URLSearchParams(paramsFromRows(builder)).toString();
        const again = filterFromRows(rowsFromParams(new URLSearchParams(link)), CONTEXT);
        expect([...again.problems]).toEqual([]);
        // The order of what must all hold says nothing.
        expect(sorted(parseFilter(again.filter, CONTEXT))).toEqual(sorted(parseFilter(filter, CONTEXT)));
      }),
      { numRuns: 5000 },
    );
    expect(shown).toBeGreaterThan(500);
  });
});

/** With the parts of each `and` in one order, those of nested ones too. */
function sorted(condition: unknown): unknown {
  if (Array.isArray(condition)) return condition.map(sorted);
  if (typeof condition !== "object" || condition === null) return condition;
  const inner = Object.fromEntries(Object.entries(condition).map(([key, value]) => [key, sorted(value)]));
  if (inner.kind !== "and") return inner;
  const all = (inner.all as { kind: string; all: unknown[] }[]).flatMap((part) =>
    part.kind === "and" ? part.all : [JSON.stringify(part)],
  );
  return { kind: "and", all: all.sort() };
}
