// Covers src/query/language/scim{,-attributes,-reader}.ts

import fc from "fast-check";
import { type Filter, parse } from "scim2-parse-filter";
import { describe, expect, test } from "vitest";
import { SCOPES } from "../../../src/auth/scopes.js";
import { AppError } from "../../../src/lib/errors.js";
import { parseFilter } from "../../../src/query/language/json-filter.js";
import { scimFilter } from "../../../src/query/language/scim.js";
import { pairs } from "./scim-pairs.js";

const CONTEXT = { nowMs: 1_800_000_000_000, scopes: new Set(SCOPES) };

/** What is told about a text that isn't a filter. */
function refusal(text: string): string {
  try {
    scimFilter(text);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    expect(error.code).toBe("invalid_request");
    expect(error.meta).toEqual({ param_name: "filter" });
    return error.longMessage ?? "";
  }
  throw new Error(`no error: ${text}`);
}

describe("a SCIM filter becomes the JSON filter that says the same", () => {
  test.each([
    ['userName eq "x"', { username: "x" }],
    ["externalId eq null", { external_id: null }],
    ["active eq true", { banned: false }],
    ["active eq false", { banned: true }],
    ["active ne true", { banned: { ne: false } }],
    ["active in [true, false]", { banned: [false, true] }],
    ["active pr", { banned: { exists: true } }],
    ['emails co "@acme."', { email_address: { contains: "@acme." } }],
    ['emails.value ew "acme.com"', { email_address: { suffix: "acme.com" } }],
    ['phoneNumbers.value sw "+49"', { phone_number: { prefix: "+49" } }],
    ['name.givenName ne "Ann"', { first_name: { ne: "Ann" } }],
    ["name.familyName pr", { last_name: { exists: true } }],
    ['meta.created gt "2011-05-13T04:42:34Z"', { created_at: { gt: "2011-05-13T04:42:34Z" } }],
    ["meta.lastModified le 1700000000000", { updated_at: { lte: 1_700_000_000_000 } }],
    ['last_active_at ge "now-30d"', { last_active_at: { gte: "now-30d" } }],
    ["created_at lt -1.5e3", { created_at: { lt: -1500 } }],
    ['groups eq "org_1"', { organization_id: "org_1" }],
    ["groups.value pr", { organization_id: { exists: true } }],
    ['any co "ann"', { any: { contains: "ann" } }],
    ['userName in ["a","b"]', { username: ["a", "b"] }],
    ["userName in []", { username: [] }],
    ['public_metadata."a.b" eq 1', { 'public_metadata."a.b"': 1 }],
    ['public_metadata.Plan."x \\" [y]".z eq "Pro"', { 'public_metadata.Plan."x \\" [y]".z': "Pro" }],
    ['private_metadata.größe eq "\\u00e9"', { "private_metadata.größe": "é" }],
    [
      'emails[domain eq "acme.com" and verified eq true]',
      { email: { and: [{ domain: "acme.com" }, { verified: true }] } },
    ],
    [
      'groups[value eq "org_1" and role eq "org:admin"]',
      { membership: { and: [{ organization_id: "org_1" }, { role: "org:admin" }] } },
    ],
    ['account[not (provider eq "google")]', { account: { not: { provider: "google" } } }],
    ["membership[public_metadata.Level gt 2]", { membership: { "public_metadata.Level": { gt: 2 } } }],
    ["(((locked eq true)))", { locked: true }],
    ["not (locked eq true)", { not: { locked: true } }],
    [
      'id eq "a" or id eq "b" and not(id eq "c") or id eq "d"',
      { or: [{ id: "a" }, { and: [{ id: "b" }, { not: { id: "c" } }] }, { id: "d" }] },
    ],
    ['id eq "a" and (id eq "b" or id eq "c")', { and: [{ id: "a" }, { or: [{ id: "b" }, { id: "c" }] }] }],
    ['urn:ietf:params:scim:schemas:core:2.0:User:userName eq "x"', { username: "x" }],
  ])("%s", (text, json) => {
    expect(scimFilter(text)).toEqual(json);
  });

  test("names and operators in any case, metadata paths exactly", () => {
    expect(scimFilter('USERNAME EQ "A" AND NOT (Meta.CREATED GT 1) Or Email_Domain Pr')).toEqual({
      or: [
        { and: [{ username: "A" }, { not: { created_at: { gt: 1 } } }] },
        { email_domain: { exists: true } },
      ],
    });
    expect(scimFilter('Public_Metadata.Plan eq "A"')).toEqual({ "public_metadata.Plan": "A" });
    expect(scimFilter('EMAILS[Value eq "A"]')).toEqual({ email: { address: "A" } });
  });

  test("whatever is combined with and, or, not, parentheses and value paths", () => {
    fc.assert(
      fc.property(pairs({ plain: false }), ({ scim, json }) => {
        expect(scimFilter(scim)).toEqual(json);
        expect(parseFilter(scimFilter(scim), CONTEXT)).toEqual(parseFilter(json, CONTEXT));
      }),
      { numRuns: 1000 },
    );
  });

  test("as another parser reads it", () => {
    fc.assert(
      fc.property(pairs({ plain: true }), ({ scim }) => {
        expect(scimFilter(scim)).toEqual(translated(parse(scim)));
      }),
      { numRuns: 1000 },
    );
  });
});

describe("what is wrong with a text is told at its position", () => {
  test.each([
    ["", "position 1: expected an attribute, not or (, found the end"],
    ["   ", "position 4: expected an attribute, not or (, found the end"],
    ["userName", "position 9: expected eq, ne, co, sw, ew, gt, ge, lt, le, pr or in, found the end"],
    ['userName is "x"', "position 10: expected eq, ne, co, sw, ew, gt, ge, lt, le, pr or in, found is"],
    ["userName eq", "position 12: expected a JSON string, number, true, false or null, found the end"],
    ["userName eq x", "position 13: expected a JSON string, number, true, false or null, found x"],
    ["active eq True", "position 11: expected a JSON string"],
    ['userName eq "x', "position 13: expected a JSON string"],
    ['userName eq "\\x"', "position 13: expected a JSON string"],
    ["userName eq 'x'", "position 13: expected a JSON string"],
    ["public_metadata.a eq 01", "position 22: expected a JSON string"],
    ["public_metadata.a eq 1x", "position 22: expected a JSON string"],
    ["public_metadata.a eq [1]", "position 22: expected a JSON string"],
    ["public_metadata.a eq {}", "position 22: expected a JSON string"],
    ['userName eq "x" foo', "position 17: expected and, or or the end, found foo"],
    ['userName eq "x")', "position 16: expected and, or or the end, found )"],
    ['userName eq "x" and', "position 20: expected an attribute, not or (, found the end"],
    ['userName eq "x" and or', "position 21: there is no attribute or here"],
    ['(userName eq "x"', "position 17: expected and, or or ), found the end"],
    ['(userName eq "x"]', "position 17: expected and, or or ), found ]"],
    ['emails[domain eq "x")', "position 21: expected and, or or ], found )"],
    ["()", "position 2: expected an attribute, not or (, found )"],
    ["emails[]", "position 8: expected an attribute, not or (, found ]"],
    ['not userName eq "x"', "position 5: expected ( after not, found userName"],
    ['userName in "x"', "position 13: expected [, found"],
    ["userName in [", "position 14: expected a JSON string"],
    ['userName in ["x" "y"]', "position 18: expected , or ], found"],
    ['userName in ["x",]', "position 18: expected a JSON string"],
    ['userName in [["x"]]', "position 14: expected a JSON string"],
    ['nickName eq "x"', "position 1: there is no attribute nickName here"],
    ['domain eq "x"', "position 1: there is no attribute domain here"],
    ["__proto__ pr", "position 1: there is no attribute __proto__ here"],
    ["public_metadata pr", "position 1: there is no attribute public_metadata here"],
    ["emails[unsafe_metadata.a pr]", "position 8: there is no attribute unsafe_metadata.a here"],
    ["emails[active eq true]", "position 8: there is no attribute active here"],
    ["emails.domain eq 1", "position 1: there is no attribute emails.domain here"],
    ["userName[a pr]", "position 1: only emails, groups, email, membership, account stand before ["],
    ["groups[emails[verified eq true]]", "position 8: no value path stands inside another"],
    ['emails[domain eq "x"].value pr', "position 22: expected and, or or the end, found .value"],
    // A character is one whatever it takes in memory.
    ['userName eq "😀é" oder active eq true', "position 18: expected and, or or the end, found oder"],
  ])("%s", (text, told) => {
    expect(refusal(text)).toContain(told);
  });

  test("too long, too deep", () => {
    expect(refusal(`userName eq "${"é".repeat(32_762)}"`)).toContain("64 KiB");
    expect(scimFilter(`userName eq "${"é".repeat(32_760)}"`)).toHaveProperty("username");
    const nots = (n: number) => `${"not (".repeat(n)}active eq true${")".repeat(n)}`;
    expect(scimFilter(nots(8))).toHaveProperty("not");
    expect(refusal(nots(9))).toContain("position 1: and, or, not and value paths stand at most 8 deep");
    expect(refusal(nots(10_000))).toContain("at most 8 deep");
    const alternating = `${'(id eq "a" and (id eq "b" or '.repeat(1000)}id eq "c"${")".repeat(2000)}`;
    expect(refusal(alternating)).toContain("at most 8 deep");
  });

  test("parentheses alone cost no depth", () => {
    expect(scimFilter(`${"(".repeat(32_000)}id pr${")".repeat(32_000)}`)).toEqual({ id: { exists: true } });
    expect(refusal("(".repeat(65_536))).toContain("position 65537");
  });

  test("whatever the text, there is a filter or a refusal", () => {
    const word = fc.constantFrom(
      ...["userName", "emails", "groups[", "active", "public_metadata.", '"a.b"', ".", "not", "not(", "and"],
      ...["or", "eq", "ne", "pr", "in", "in [", "[", "]", "(", ")", ",", '"', '"x"', "\\", "1", "-", "1e999"],
      ...["true", "null", "{}", "\u0000", "\ud800", "\u00a0", "é", "__proto__", "urn:ietf:params:scim:"],
    );
    const hostile = fc.oneof(
      fc.string({ unit: "binary", maxLength: 40 }),
      fc
        .array(fc.tuple(word, fc.constantFrom(" ", "")), { maxLength: 15 })
        .map((parts) => parts.flat().join("")),
      fc.tuple(pairs({ plain: false }), fc.nat(), word).map(([{ scim }, n, inserted]) => {
        const at = n % scim.length;
        return scim.slice(0, at) + inserted + scim.slice(at);
      }),
      fc.tuple(pairs({ plain: false }), fc.nat()).map(([{ scim }, n]) => scim.slice(0, n % scim.length)),
    );
    fc.assert(
      fc.property(hostile, (text) => {
        try {
          expect(scimFilter(text)).toBeTypeOf("object");
        } catch (error) {
          if (!(error instanceof AppError)) throw error;
          expect(error.meta).toEqual({ param_name: "filter" });
          const position = Number(/position (\d+):/.exec(error.longMessage ?? "")?.[1]);
          expect(position).toBeGreaterThanOrEqual(1);
          expect(position).toBeLessThanOrEqual([...text].length + 1);
        }
      }),
      { numRuns: 3000 },
    );
  });

  test.each([
    ["a value in quotes without an end", `userName eq "${"\\\\".repeat(32_000)}`],
    ["a name of many keys", `public_metadata${".a".repeat(32_000)} = 1`],
    ["a name in quotes without an end", `public_metadata.${'"a'.repeat(32_000)}`],
    ["many conditions", `${"id pr or ".repeat(7000)}x`],
    ["many values", `id in [${'"a", '.repeat(13_000)}x]`],
    ["much space", `id${" ".repeat(65_000)}x`],
    ["a long number", `public_metadata.a eq ${"9".repeat(65_000)}x`],
  ])("a text of 64 KiB is refused: %s", (_, text) => {
    expect(refusal(text)).toContain("filter is wrong at position");
  });
});

/** The other parser's answer as a JSON filter. */
function translated(filter: Filter, names: Record<string, string> = USER): unknown {
  switch (filter.op) {
    case "and":
    case "or":
      return { [filter.op]: filter.filters.map((part) => translated(part, names)) };
    case "not":
      return { not: translated(filter.filter, names) };
    case "[]": {
      const [key = "", inner = {}] = ELEMENTS[filter.attrPath.toLowerCase()] ?? [];
      return { [key]: translated(filter.valFilter, inner) };
    }
    default: {
      const path = /^public_metadata/i.test(filter.attrPath)
        ? `public_metadata${filter.attrPath.slice("public_metadata".length)}`
        : (names[filter.attrPath.toLowerCase()] ?? filter.attrPath.toLowerCase());
      const isOpposite = path === "active";
      const field = isOpposite ? "banned" : path;
      if (filter.op === "pr") return { [field]: { exists: true } };
      const value = isOpposite ? !filter.compValue : filter.compValue;
      return { [field]: filter.op === "eq" ? value : { [OPERATORS[filter.op]]: value } };
    }
  }
}

const OPERATORS = {
  ...{ ne: "ne", co: "contains", sw: "prefix", ew: "suffix" },
  ...{ gt: "gt", ge: "gte", lt: "lt", le: "lte" },
};
const USER: Record<string, string> = {
  ...{ username: "username", externalid: "external_id", emails: "email_address" },
  ...{ "emails.value": "email_address", "phonenumbers.value": "phone_number" },
  ...{ "name.givenname": "first_name", "name.familyname": "last_name" },
  ...{ "meta.created": "created_at", "meta.lastmodified": "updated_at" },
  ...{ groups: "organization_id", "groups.value": "organization_id" },
};
const ELEMENTS: Record<string, [string, Record<string, string>]> = {
  emails: ["email", { value: "address" }],
  groups: ["membership", { value: "organization_id" }],
  account: ["account", {}],
};
