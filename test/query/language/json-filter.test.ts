// Covers src/query/language/{json-filter,operators,algebra,catalogue,problems}.ts
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SCOPES } from "../../../src/auth/scopes.js";
import type { Condition } from "../../../src/query/condition.js";
import { parseFilter } from "../../../src/query/language/json-filter.js";
import { itemPath, memberPath } from "../../../src/query/language/problems.js";
import { jsonFilter } from "./random-filters.js";
import { refusal } from "./refusal.js";

const NOW_MS = 1_800_000_000_000;
const DAY_MS = 86_400_000;
const CONTEXT = { nowMs: NOW_MS, scopes: new Set(SCOPES) };
const parse = (filter: unknown) => parseFilter(filter, CONTEXT);
const json = (text: string) => parse(JSON.parse(text));

const EVERYBODY = { kind: "and", all: [] };
const NOBODY = { kind: "or", any: [] };
const not = (condition: unknown) => ({ kind: "not", condition });
const or = (...any: unknown[]) => ({ kind: "or", any });
const and = (...all: unknown[]) => ({ kind: "and", all });
const among = (field: string, ...values: string[]) => ({ kind: "compare", field, operator: "in", values });
const is = (field: string, value: boolean) => ({ kind: "compare", field, operator: "eq", value });
const present = (field: string) => ({ kind: "present", field });
const term = (how: string, field: string, text: string) => ({ kind: "term", how, field, text });
const has = (list: string, where: unknown) => ({ kind: "element", list, where });
const metadata = (path: string[], test: unknown) => ({ kind: "metadata", object: "public", path, test });

describe("the structure", () => {
  test.each([
    ["{}", EVERYBODY],
    ['{"and":[]}', EVERYBODY],
    ['{"or":[]}', NOBODY],
    ['{"not":{}}', NOBODY],
    ['{"not":{"or":[]}}', EVERYBODY],
    ['{"banned":true}', is("banned", true)],
    ['{"banned":true,"locked":false}', and(is("banned", true), is("locked", false))],
    ['{"and":[{"banned":true},{"locked":true}]}', and(is("banned", true), is("locked", true))],
    ['{"or":[{"banned":true},{"locked":true}]}', or(is("banned", true), is("locked", true))],
    ['{"or":[{"banned":true},{}]}', EVERYBODY],
    ['{"or":[{"or":[]},{"banned":true}]}', is("banned", true)],
    ['{"not":{"not":{"banned":true}}}', is("banned", true)],
    [
      '{"username":{"contains":"a","prefix":"b"}}',
      and(term("contains", "username", "a"), term("prefix", "username", "b")),
    ],
  ])("%s", (text, condition) => {
    expect(json(text)).toEqual(condition);
  });
});

describe("what is asked of a field", () => {
  test.each([
    ["a scalar", '{"username":"ann"}', among("username", "ann")],
    ["null", '{"username":null}', not(present("username"))],
    ["an array", '{"username":["a","b","a"]}', among("username", "a", "b")],
    ["an array with null", '{"username":["a",null]}', or(among("username", "a"), not(present("username")))],
    ["no values", '{"username":[]}', NOBODY],
    ["none of no values", '{"username":{"nin":[]}}', EVERYBODY],
    ["eq null", '{"username":{"eq":null}}', not(present("username"))],
    ["ne", '{"username":{"ne":"ann"}}', not(among("username", "ann"))],
    ["ne null", '{"username":{"ne":null}}', present("username")],
    [
      "nin with null",
      '{"username":{"nin":["a",null]}}',
      not(or(among("username", "a"), not(present("username")))),
    ],
    ["exists", '{"username":{"exists":true}}', present("username")],
    ["exists not", '{"username":{"exists":false}}', not(present("username"))],
    ["similar", '{"email_address":{"similar":"ann"}}', term("similar", "email", "ann")],
    ["anything", '{"any":{"suffix":"x"}}', term("suffix", "any", "x")],
    ["a flag", '{"locked":{"in":[true,false]}}', or(is("locked", true), is("locked", false))],
    ["a flag that is null", '{"locked":null}', NOBODY],
    ["a flag that exists", '{"locked":{"exists":true}}', EVERYBODY],
    [
      "a time",
      '{"created_at":{"gte":"now-1d","lt":"1970-01-02"}}',
      and(
        { kind: "compare", field: "created_at", operator: "gte", valueMs: NOW_MS - DAY_MS },
        { kind: "compare", field: "created_at", operator: "lt", valueMs: DAY_MS },
      ),
    ],
    [
      "times",
      '{"last_active_at":[5,null]}',
      or(
        { kind: "compare", field: "last_active_at", operator: "among", valuesMs: [5] },
        not(present("last_active_at")),
      ),
    ],
    ["an address", '{"email_address":"A@b.c"}', has("email", among("key", "A@b.c"))],
    ["part of an address", '{"email_address":{"suffix":".c"}}', term("suffix", "email", ".c")],
    ["no address", '{"email_address":null}', not(has("email", EVERYBODY))],
    ["another address", '{"email_address":{"ne":"a"}}', not(has("email", among("key", "a")))],
    ["a domain", '{"email_domain":["a.b"]}', has("email", among("domain", "a.b"))],
    ["part of a domain", '{"email_domain":{"suffix":"b"}}', has("email", term("suffix", "domain", "b"))],
    ["no domain", '{"email_domain":null}', not(has("email", present("domain")))],
    [
      "a provider",
      '{"provider":["oauth_google","github"]}',
      has("account", among("provider", "google", "github")),
    ],
    ["a number", '{"phone_number":"+1"}', has("phone", among("key", "+1"))],
    ["a wallet", '{"web3_wallet":{"contains":"0x"}}', term("contains", "wallet", "0x")],
    ["an organization", '{"organization_id":"org_1"}', has("membership", among("key", "org_1"))],
    ["a role", '{"organization_role":{"exists":true}}', has("membership", present("role"))],
  ])("%s: %s", (_, text, condition) => {
    expect(json(text)).toEqual(condition);
  });
});

describe("metadata", () => {
  test.each([
    ['"pro"', { operator: "in", values: ["pro"] }],
    ['[1,true,"1"]', { operator: "in", values: [1, true, "1"] }],
    ["-0.0", { operator: "in", values: [0] }],
    ['{"gt":5}', { operator: "gt", value: 5 }],
    ['{"lte":"2026-01-01"}', { operator: "lte", value: "2026-01-01" }],
    ['{"lt":""}', { operator: "lt", value: "" }],
    ['{"exists":true}', { operator: "present" }],
    ['{"prefix":"a"}', { operator: "prefix", text: "a" }],
    ['{"contains":5}', { operator: "has", values: [5] }],
    ['{"contains":false}', { operator: "has", values: [false] }],
  ])("%s", (asked, of) => {
    expect(json(`{"public_metadata.a":${asked}}`)).toEqual(metadata(["a"], of));
  });

  test("contains a text as an element or in itself", () => {
    expect(json('{"public_metadata.a":{"contains":"x"}}')).toEqual(
      or(
        metadata(["a"], { operator: "has", values: ["x"] }),
        metadata(["a"], { operator: "contains", text: "x" }),
      ),
    );
  });

  test("null is no value", () => {
    const missing = not(metadata(["a"], { operator: "present" }));
    expect(json('{"public_metadata.a":null}')).toEqual(missing);
    expect(json('{"public_metadata.a":{"in":["x",null]}}')).toEqual(
      or(metadata(["a"], { operator: "in", values: ["x"] }), missing),
    );
  });

  test("private metadata needs its scope wherever it stands", () => {
    const asked = { or: [{ not: { 'private_metadata."a.b"': null } }] };
    expect(refusal(() => parseFilter(asked, { nowMs: 0, scopes: new Set(["users:read"]) }))).toMatchObject({
      code: "forbidden",
      message: "This key lacks the scope private_metadata:read.",
    });
    expect(parse(asked)).toMatchObject({ kind: "metadata", object: "private", path: ["a.b"] });
  });
});

describe("one element of several", () => {
  test.each([
    ['{"membership":{}}', has("membership", EVERYBODY)],
    ['{"not":{"membership":{}}}', not(has("membership", EVERYBODY))],
    ['{"membership":{"or":[]}}', NOBODY],
    [
      '{"membership":{"organization_id":"org_1","role":"org:admin"}}',
      has("membership", and(among("key", "org_1"), among("role", "org:admin"))),
    ],
    ['{"membership":{"role":{"ne":"a"}}}', has("membership", not(among("role", "a")))],
    [
      '{"membership":{"created_at":{"lt":"now"},"public_metadata.a.b":5}}',
      has(
        "membership",
        and(
          { kind: "compare", field: "created_at", operator: "lt", valueMs: NOW_MS },
          metadata(["a", "b"], { operator: "in", values: [5] }),
        ),
      ),
    ],
    [
      '{"email":{"or":[{"domain":"a.b"},{"not":{"verified":true}}],"address":{"contains":"x"}}}',
      has("email", and(or(among("domain", "a.b"), not(is("verified", true))), term("contains", "key", "x"))),
    ],
    [
      '{"account":{"provider":"oauth_google","provider_user_id":null,"email_address":{"suffix":"x"}}}',
      has(
        "account",
        and(
          among("provider", "google"),
          not(present("provider_user_id")),
          term("suffix", "email_address", "x"),
        ),
      ),
    ],
  ])("%s", (text, condition) => {
    expect(json(text)).toEqual(condition);
  });
});

describe("what is refused, by the path of what is wrong", () => {
  test.each([
    ["null", "filter", "must be an object of conditions, not null"],
    ["[]", "filter", "must be an object of conditions, not an array"],
    ['"a"', "filter", 'must be an object of conditions, not "a"'],
    ['{"and":{}}', "filter.and", "must be an array of filters, not an object"],
    ['{"or":[{},5]}', "filter.or[1]", "must be an object of conditions, not 5"],
    ['{"not":[]}', "filter.not", "must be an object of conditions, not an array"],
    ['{"and":[{},{},{"created_at":{"gte":"soon"}}]}', "filter.and[2].created_at.gte", "must be a time"],
    ['{"emailAddress":"a"}', "filter.emailAddress", "Did you mean email_address?"],
    ['{"__proto__":{}}', "filter.__proto__", "is not a field"],
    ['{"constructor":1}', "filter.constructor", "is not a field"],
    ['{"toString":1}', "filter.toString", "is not a field"],
    ['{"a b":1}', 'filter["a b"]', "is not a field"],
    ['{"":1}', 'filter[""]', "is not a field"],
    ['{"public_metadata":{}}', "filter.public_metadata", "which value"],
    ['{"public_metadata.":1}', 'filter["public_metadata."]', "no key of metadata"],
    [
      '{"public_metadata.\\"a.b\\".c":{"lt":true}}',
      'filter.public_metadata."a.b".c.lt',
      "must be a number or a text",
    ],
    ['{"username":{}}', "filter.username", "must have an operator: eq, ne"],
    ['{"username":{"equals":1}}', "filter.username.equals", "is no operator"],
    ['{"username":{"containss":1}}', "filter.username.containss", "Did you mean contains?"],
    ['{"username":{"__proto__":1}}', "filter.username.__proto__", "is no operator"],
    ['{"username":{"not":{"eq":"a"}}}', "filter.username.not", "is no operator"],
    ['{"public_metadata.a":{"b":1}}', "filter.public_metadata.a.b", "is no operator"],
    ['{"username":5}', "filter.username", "must be a text, not 5"],
    ['{"username":true}', "filter.username", "must be a text, not true"],
    ['{"username":["a",{}]}', "filter.username[1]", "must be a text, not an object"],
    ['{"username":[["a"]]}', "filter.username[0]", "must be a text, not an array"],
    ['{"username":{"in":["a",5]}}', "filter.username.in[1]", "must be a text, not 5"],
    ['{"username":{"in":"a"}}', "filter.username.in", "must be an array of values"],
    ['{"username":{"nin":null}}', "filter.username.nin", "must be an array of values"],
    ['{"username":{"eq":["a"]}}', "filter.username.eq", "must be a text, not an array"],
    ['{"username":{"exists":"true"}}', "filter.username.exists", "must be true or false"],
    ['{"username":{"exists":null}}', "filter.username.exists", "must be true or false"],
    ['{"username":{"contains":""}}', "filter.username.contains", "isn't empty"],
    ['{"username":{"prefix":null}}', "filter.username.prefix", "must be a text, not null"],
    ['{"username":{"suffix":5}}', "filter.username.suffix", "must be a text, not 5"],
    ['{"name":{"similar":""}}', "filter.name.similar", "isn't empty"],
    [`{"any":{"similar":"${"x".repeat(257)}"}}`, "filter.any.similar", "at most 256 characters"],
    ['{"public_metadata.a":{"contains":""}}', "filter.public_metadata.a.contains", "isn't empty"],
    ['{"public_metadata.a":{"contains":null}}', "filter.public_metadata.a.contains", "must be a text"],
    ['{"public_metadata.a":{"contains":["x"]}}', "filter.public_metadata.a.contains", "not an array"],
    ['{"public_metadata.a":{"prefix":5}}', "filter.public_metadata.a.prefix", "must be a text"],
    ['{"public_metadata.a":{"gt":null}}', "filter.public_metadata.a.gt", "must be a number or a text"],
    ['{"public_metadata.a":1e999}', "filter.public_metadata.a", "too large"],
    ['{"public_metadata.a":[[1]]}', "filter.public_metadata.a[0]", "not an array"],
    ['{"banned":"true"}', "filter.banned", "must be true or false"],
    ['{"banned":1}', "filter.banned", "must be true or false"],
    ['{"created_at":{"gt":null}}', "filter.created_at.gt", "must be a time"],
    ['{"created_at":{"contains":"2026"}}', "filter.created_at.contains", "can't be asked with contains"],
    ['{"any":"a"}', "filter.any", "can't be asked with eq. It can be: contains, prefix, suffix, similar"],
    ['{"any":null}', "filter.any", "can't be asked with eq"],
    ['{"any":["a"]}', "filter.any", "can't be asked with in"],
    ['{"any":{"exists":true}}', "filter.any.exists", "can't be asked with exists"],
    ['{"membership":null}', "filter.membership", "must be an object of conditions"],
    ['{"membership":"org_1"}', "filter.membership", "must be an object of conditions"],
    ['{"membership":{"exists":true}}', "filter.membership.exists", "is not a field of membership"],
    [
      '{"membership":{"organization_role":"a"}}',
      "filter.membership.organization_role",
      "is not a field of membership",
    ],
    ['{"membership":{"private_metadata.a":1}}', "filter.membership.private_metadata.a", "is not a field"],
    ['{"membership":{"email":{}}}', "filter.membership.email", "is not a field of membership"],
    ['{"email":{"public_metadata.a":1}}', "filter.email.public_metadata.a", "is not a field of email"],
    ['{"email":{"address":{"similar":"a"}}}', "filter.email.address.similar", "can't be asked with similar"],
    ['{"email":{"verified":"yes"}}', "filter.email.verified", "must be true or false"],
    ['{"account":{"not":{"username":"a"}}}', "filter.account.not.username", "is not a field of account"],
  ])("%s", (text, path, says) => {
    const { code, path: named, longMessage } = refusal(() => json(text));
    expect({ code, named }).toEqual({ code: "invalid_request", named: path });
    expect(longMessage).toContain(says);
  });

  const TEXT_FIELDS = [
    ...["id", "external_id", "username", "first_name", "last_name", "name", "email_address", "email_domain"],
    ...["phone_number", "web3_wallet", "provider", "organization_id", "organization_role"],
  ];

  test("texts have no sizes but in metadata, and flags neither", () => {
    for (const field of [...TEXT_FIELDS, "any", "banned", "has_image"]) {
      for (const operator of ["lt", "lte", "gt", "gte"]) {
        const { path } = refusal(() => parse({ [field]: { [operator]: "a" } }));
        expect(path).toBe(`filter.${field}.${operator}`);
      }
    }
  });

  test("similar is for six fields", () => {
    const similar = ["name", "username", "first_name", "last_name", "email_address", "any"];
    for (const field of similar) parse({ [field]: { similar: "a" } });
    const others = TEXT_FIELDS.filter((field) => !similar.includes(field));
    for (const field of [...others, "created_at", "banned", "public_metadata.a"]) {
      expect(refusal(() => parse({ [field]: { similar: "a" } })).path).toBe(`filter.${field}.similar`);
    }
  });
});

describe("the limits", () => {
  const nested = (depth: number, wrap: (inner: unknown) => unknown) => {
    let filter: unknown = { banned: true };
    for (let n = 0; n < depth; n++) filter = wrap(filter);
    return filter;
  };

  test.each([
    ["not", (inner: unknown) => ({ not: inner }), `filter${".not".repeat(9)}`],
    ["and", (inner: unknown) => ({ and: [inner] }), `filter${".and[0]".repeat(8)}.and`],
    ["or", (inner: unknown) => ({ or: [{}, inner] }), `filter${".or[1]".repeat(8)}.or`],
  ])("%s stands 8 deep at most", (_, wrap, path) => {
    parse(nested(8, wrap));
    expect(refusal(() => parse(nested(9, wrap))).path).toBe(path);
    expect(refusal(() => parse(nested(5000, wrap))).path).toBe(path);
  });

  test("an element object is a level too", () => {
    const inside = (depth: number) => {
      let filter: unknown = { membership: { role: "a" } };
      for (let n = 0; n < depth; n++) filter = { not: filter };
      return filter;
    };
    parse(inside(7));
    expect(refusal(() => parse(inside(8))).path).toBe(`filter${".not".repeat(8)}.membership`);
  });

  test("200 conditions at most, an operator each", () => {
    const scalars = (n: number) => ({ and: Array.from({ length: n }, () => ({ username: "a" })) });
    parse(scalars(200));
    expect(refusal(() => parse(scalars(201))).path).toBe("filter.and[200].username");

    const operators = (n: number) => ({
      or: Array.from({ length: n }, () => ({ created_at: { gt: 0, lt: 9 } })),
    });
    parse(operators(100));
    expect(refusal(() => parse(operators(101))).path).toBe("filter.or[100].created_at.gt");

    const elements = (n: number) => ({ or: Array.from({ length: n }, () => ({ email: { and: [] } })) });
    parse(elements(200));
    expect(refusal(() => parse(elements(201))).path).toBe("filter.or[200].email");
  });

  test("1,000 values at most", () => {
    const values = Array.from({ length: 1000 }, (_, n) => `user_${n}`);
    for (const asked of [values, { in: values }, { nin: values }]) parse({ id: asked });
    expect(refusal(() => parse({ id: [...values, "x"] })).path).toBe("filter.id");
    expect(refusal(() => parse({ id: { nin: [...values, "x"] } })).path).toBe("filter.id.nin");
  });

  test("what says nothing leaves nothing behind", () => {
    const empty = Array.from({ length: 10_000 }, () => ({ not: { or: [] } }));
    expect(parse({ and: empty })).toEqual(EVERYBODY);
  });
});

/** Every path of the value, as refusals name them. */
function pathsOf(value: unknown, path = "filter"): string[] {
  if (typeof value !== "object" || value === null) return [path];
  const inside = Array.isArray(value)
    ? value.flatMap((item, n) => pathsOf(item, itemPath(path, n)))
    : Object.entries(value).flatMap(([key, inner]) => pathsOf(inner, memberPath(path, key)));
  return [path, ...inside];
}

/** The value with something else somewhere in it. */
function withSpoiled(value: unknown, at: number, by: unknown): unknown {
  let left = at % pathsOf(value).length;
  const walk = (inner: unknown): unknown => {
    if (left-- === 0) return by;
    if (typeof inner !== "object" || inner === null) return inner;
    if (Array.isArray(inner)) return inner.map(walk);
    return Object.fromEntries(Object.entries(inner).map(([key, one]) => [key, walk(one)]));
  };
  return walk(value);
}

describe("any filter", () => {
  test("parses, and holds no text that Postgres can't", () => {
    fc.assert(
      fc.property(jsonFilter, (filter) => {
        const texts: string[] = [];
        JSON.stringify(parse(filter), (_, value) => {
          if (typeof value === "string") texts.push(value);
          return value;
        });
        expect(texts.filter((text) => !text.isWellFormed() || text.includes("\0"))).toEqual([]);
      }),
      { numRuns: 2000 },
    );
  });

  test("means the same after a journey through JSON", () => {
    fc.assert(
      fc.property(jsonFilter, (filter) => {
        expect(json(JSON.stringify(filter))).toEqual(parse(filter));
      }),
    );
  });

  test("its complement's complement is itself", () => {
    fc.assert(
      fc.property(jsonFilter, (filter) => {
        const condition: Condition = parse(filter);
        expect(parse({ not: { not: filter } })).toEqual(condition);
      }),
    );
  });

  test("is refused, once spoiled, by a path that it has, or means something", () => {
    const spoilers = fc.oneof(
      fc.constantFrom(
        null,
        5,
        true,
        "",
        "x",
        [],
        {},
        [[]],
        { eq: {} },
        { nope: 1 },
        { similar: "a" },
        { and: 1 },
      ),
      fc.jsonValue(),
    );
    let refused = 0;
    fc.assert(
      fc.property(jsonFilter, fc.nat(), spoilers, (filter, at, by) => {
        const spoiled = withSpoiled(filter, at, by);
        try {
          parse(spoiled);
        } catch {
          refused++;
          const { code, path } = refusal(() => parse(spoiled));
          expect(code).toBe("invalid_request");
          expect(pathsOf(spoiled)).toContain(path);
        }
      }),
      { numRuns: 2000 },
    );
    expect(refused).toBeGreaterThan(200);
  });
});
