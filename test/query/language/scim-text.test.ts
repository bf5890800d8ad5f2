import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SCOPES } from "../../../src/auth/scopes.js";
import { parseFilter } from "../../../src/query/language/json-filter.js";
import { scimFilter } from "../../../src/query/language/scim.js";
import { scimText } from "../../../src/query/language/scim-text.js";
import { jsonFilter } from "./random-filters.js";
import { pairs } from "./scim-pairs.js";

const CONTEXT = { nowMs: 1_800_000_000_000, scopes: new Set(SCOPES) };

describe("a JSON filter becomes the SCIM filter that says the same", () => {
  test.each([
    [{}, ""],
    [{ username: "x" }, 'userName eq "x"'],
    [{ banned: true }, "active eq false"],
    [{ banned: { ne: false }, locked: true }, "active ne true and locked eq true"],
    [{ email_address: { suffix: "@acme.com" } }, 'emails ew "@acme.com"'],
    [{ created_at: { gte: "now-30d", lt: 5 } }, 'meta.created ge "now-30d" and meta.created lt 5'],
    [{ last_active_at: null }, "last_active_at eq null"],
    [{ username: ["a", "b"] }, 'userName in ["a", "b"]'],
    [{ username: { nin: ["a", "b"] } }, 'not (userName in ["a", "b"])'],
    [{ external_id: { exists: true } }, "externalId pr"],
    [{ external_id: { exists: false } }, "not (externalId pr)"],
    [{ or: [{ id: "a" }, { id: "b", name: "c" }] }, 'id eq "a" or id eq "b" and name eq "c"'],
    [{ id: "a", or: [{ id: "b" }, { id: "c" }] }, 'id eq "a" and (id eq "b" or id eq "c")'],
    [{ not: { any: { contains: "x" } } }, 'not (any co "x")'],
    [
      { membership: { organization_id: "org_1", role: "org:admin" } },
      'groups[value eq "org_1" and role eq "org:admin"]',
    ],
    [{ not: { membership: {} } }, "not (groups[not (value in [])])"],
    [{ email: { domain: "acme.com", verified: true } }, 'emails[domain eq "acme.com" and verified eq true]'],
    [{ 'public_metadata."a.b".c d': 1 }, 'public_metadata."a.b"."c d" eq 1'],
    [{ or: [] }, "id in []"],
  ])("%j", (json, text) => {
    expect(scimText(json)).toEqual({ text });
  });

  test("what SCIM has no words for is told", () => {
    expect(scimText({ name: { similar: "jon" } })).toEqual({
      inexpressible: "SCIM has no operator for similar texts.",
    });
    // Entries side by side are an `and`, which is one level more.
    const deep = (n: number): Record<string, unknown> =>
      n === 0 ? { id: "a", name: "b" } : { not: { locked: true, or: [{ id: "x" }, deep(n - 1)] } };
    expect(scimText(deep(4))).toEqual({ inexpressible: expect.stringContaining("at most 8 deep") });
    expect(scimText({ id: Array.from({ length: 1000 }, () => "x".repeat(65)) })).toEqual({
      inexpressible: expect.stringContaining("64 KiB"),
    });
  });

  test("and read again it is the same filter, whatever the filter", () => {
    let told = 0;
    fc.assert(
      fc.property(jsonFilter, (filter) => {
        const printed = scimText(filter);
        if ("inexpressible" in printed) {
          expect(printed.inexpressible).toMatch(
            JSON.stringify(filter).includes('"similar"') ? /similar|at most 8 deep/ : /at most 8 deep/,
          );
          return;
        }
        told++;
        const again = printed.text === "" ? {} : scimFilter(printed.text);
        expect(parseFilter(again, CONTEXT)).toEqual(parseFilter(filter, CONTEXT));
      }),
      { numRuns: 3000 },
    );
    expect(told).toBeGreaterThan(1000);
  });

  test("all that SCIM can say can be printed", () => {
    fc.assert(
      fc.property(pairs({ plain: false }), ({ scim, json }) => {
        const printed = scimText(json);
        expect(printed).toHaveProperty("text");
        const again = "text" in printed && printed.text !== "" ? scimFilter(printed.text) : {};
        expect(parseFilter(again, CONTEXT)).toEqual(parseFilter(scimFilter(scim), CONTEXT));
      }),
      { numRuns: 2000 },
    );
  });
});
