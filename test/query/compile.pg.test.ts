// Covers src/query/{condition,columns,compile,parameters,where}.ts, src/query/compile/

import { describe, expect } from "vitest";
import { compileFilter } from "../../src/query/compile.js";
import type { Condition, ElementCondition, List, MetadataTest, Term } from "../../src/query/condition.js";
import { countStatement } from "../../src/query/page.js";
import { Parameters } from "../../src/query/parameters.js";
import { fromOf, type Where, whereClause } from "../../src/query/where.js";
import { applyItems } from "../../src/sync/apply/apply.js";
import { membershipSnapshot, userSnapshot } from "../../src/sync/fold/snapshot.js";
import { clerkUser } from "../support/clerk-user.js";
import { type TestDatabase, test } from "../support/database.js";

const NOW = 1_700_000_000_000;

const emails = (...given: [address: string, status: string][]) =>
  given.map(([email_address, status], n) => ({ id: `em_${n}`, email_address, verification: { status } }));

/** Texts that would break out of a pattern, a path, an array or a statement that isn't careful. */
const HOSTILE = [
  `'; drop table mirror_data.users; --`,
  `"`,
  `\\`,
  `") ? (@ == 1) || $."a`,
  `{a,b}`,
  `%_`,
  `$1`,
  `.*+?[a](b)|{2}^$`,
  `\\u0041`,
  `NULL`,
  ``,
  `line\nbreak\ttab`,
  `nul\0and lone \ud800`,
  `***:x`,
];

const PEOPLE = [
  {
    id: "user_ann",
    external_id: "Ext-1",
    username: "Ann_A",
    first_name: "Ann",
    last_name: "Smith",
    primary_email_address_id: "em_0",
    email_addresses: emails(["Ann@Acme.com", "verified"], ["ann@old.org", "unverified"]),
    phone_numbers: [{ id: "ph", phone_number: "+15551" }],
    external_accounts: [
      { id: "ac", provider: "oauth_google", provider_user_id: "G1", email_address: "Ann@Gmail.com" },
      { id: "ad", provider: "github", provider_user_id: "h1" },
    ],
    public_metadata: {
      ...{ plan: "pro", seats: 5, roles: ["admin", "Dev"], flag: true, none: null, deep: { a: { b: "x" } } },
      ...{ title: "Straße No. 5k", since: "2024-05-01", list: [60], "a.b": 1, "1": "one" },
    },
    unsafe_metadata: { theme: "dark" },
    private_metadata: { secret: 7 },
    banned: true,
    has_image: true,
    two_factor_enabled: true,
    created_at: NOW - 5,
    last_active_at: NOW,
  },
  {
    id: "user_bob",
    first_name: "A\u0301nna",
    last_name: "İpek",
    primary_email_address_id: "em_0",
    email_addresses: emails(["bob@ACME.com", "unverified"]),
    external_accounts: [{ id: "ac", provider: "oauth_github", provider_user_id: "G1" }],
    public_metadata: {
      ...{ plan: ["pro"], seats: "5", roles: "admin", flag: false, deep: { a: [{ b: "x" }] } },
      ...{
        title: "İpek\u0301 ΣΊΣΥΦΟΣ",
        since: "2024-11-30",
        list: 60,
        "1": ["z", "one"],
        deeper: ["x", "one"],
      },
    },
    created_at: NOW - 4,
    last_active_at: null,
  },
  {
    id: "user_Cy",
    email_addresses: [],
    primary_email_address_id: null,
    first_name: null,
    last_name: "smithson",
    public_metadata: { seats: 50, title: ["Straße"], deep: "a", nested: { "": { "": 1 } } },
    locked: true,
    password_enabled: false,
    created_at: NOW - 3,
  },
  {
    id: "user_hostile",
    first_name: HOSTILE[7],
    last_name: null,
    email_addresses: [],
    primary_email_address_id: null,
    public_metadata: Object.fromEntries(
      HOSTILE.map((text, n) => [text, { [text]: HOSTILE[(n + 1) % HOSTILE.length] }]),
    ),
    created_at: NOW - 2,
  },
  {
    id: "user_bare",
    first_name: null,
    last_name: null,
    email_addresses: [],
    public_metadata: null,
    created_at: NOW - 1,
  },
] as const;

const member = (id: string, user: string, organization: string, role: string, seats: number | null) =>
  membershipSnapshot(
    {
      ...{ id, role, organization: { id: organization }, public_user_data: { user_id: user } },
      ...{ public_metadata: { seats }, created_at: NOW + (seats ?? 0), updated_at: 1 },
    },
    "page",
    1,
  );

async function fill(db: TestDatabase): Promise<void> {
  const users = PEOPLE.map((user) => userSnapshot(clerkUser({ ...user }), "page", 1));
  const memberships = [
    member("m_1", "user_ann", "org_A", "org:admin", 1),
    member("m_2", "user_ann", "org_B", "org:member", 2),
    member("m_3", "user_bob", "org_B", "org:admin", null),
    member("m_4", "user_Cy", "org_gone", "org:admin", 9),
  ];
  await applyItems(db.sql, [{ users, memberships }], { lagMs: 60_000 });
  await db.sql`update mirror_data.users set locked_until = ${NOW + 1} where id = 'user_Cy'`;
  await db.sql`insert into mirror_data.organizations (id, deleted_at) values ('org_gone', 1)
    on conflict (id) do update set deleted_at = 1`;
}

interface Way {
  gather?: boolean;
  /** Of users who have a term, as the statistics say. */
  share?: number;
  /** What is read of whom the filter keeps. Absent: it may be anything. */
  reads?: readonly string[];
}

function compiled(condition: Condition, params: Parameters, { gather = false, share = 0 }: Way): Where {
  return compileFilter(condition, params, {
    statistics: {
      trigramSchema: "public",
      lettersBeyondAscii: true,
      users: 5,
      distinctNames: { first_name: 0, last_name: 0 },
      shareOf: () => 0,
      shareIn: () => share,
    },
    mostByPieces: share === 0 ? 1 : share,
    nowMs: NOW,
    gather,
  });
}

async function countBy(db: TestDatabase, condition: Condition, way: Way): Promise<number> {
  const params = new Parameters();
  const text = countStatement(compiled(condition, params, way));
  const [row] = await db.sql.unsafe<{ n: number }[]>(text, [...params.values]);
  return Number(row?.n);
}

async function keptBy(db: TestDatabase, condition: Condition, way: Way | boolean = {}): Promise<string[]> {
  const params = new Parameters();
  const given = typeof way === "boolean" ? { gather: way } : way;
  const where = compiled(condition, params, given);
  const { from, id } = given.reads ? fromOf(where, [], given.reads) : fromOf(where);
  const rows = await db.sql.unsafe<{ id: string }[]>(
    `select ${id} as id from ${from} ${whereClause(where.conditions)}`,
    [...params.values],
  );
  return rows.map((row) => row.id.replace("user_", "")).sort();
}

const EVERYBODY = PEOPLE.map(({ id }) => id.replace("user_", "")).sort();

const term = (field: Term["field"], how: Term["how"], text: string): Condition => ({
  kind: "term",
  how,
  field,
  text,
});
const at = (path: string, test: MetadataTest): Condition => ({
  ...{ kind: "metadata", object: "public", path: path.split("/"), test },
});
const has = (list: List, ...all: ElementCondition[]): Condition => ({
  ...{ kind: "element", list, where: { kind: "and", all } },
});
const is = (
  field: "banned" | "locked" | "has_image" | "password_enabled" | "two_factor_enabled",
  value: boolean,
): Condition => ({
  ...{ kind: "compare", field, operator: "eq", value },
});
type ElementText = "key" | "domain" | "role" | "provider" | "provider_user_id" | "email_address";
const one = (field: ElementText, ...values: string[]): ElementCondition => ({
  kind: "compare",
  field,
  operator: "in",
  values,
});
const flag = (field: "verified" | "primary", value: boolean): ElementCondition => ({
  kind: "compare",
  field,
  operator: "eq",
  value,
});

const CASES: [Condition, string[]][] = [
  [{ kind: "compare", field: "name", operator: "in", values: ["ANN SMITH", "SMITHSON"] }, ["Cy", "ann"]],
  [{ kind: "compare", field: "name", operator: "in", values: ["smith"] }, ["ann"]],
  [{ kind: "compare", field: "last_name", operator: "in", values: ["ipek"] }, ["bob"]],
  [
    { kind: "compare", field: "created_at", operator: "among", valuesMs: [NOW - 5, NOW - 3, 7] },
    ["Cy", "ann"],
  ],
  [{ kind: "compare", field: "last_active_at", operator: "lte", valueMs: NOW }, ["ann"]],
  [{ kind: "present", field: "name" }, ["Cy", "ann", "bob", "hostile"]],
  [{ kind: "present", field: "external_id" }, ["ann"]],
  [{ kind: "present", field: "created_at" }, EVERYBODY],
  [{ kind: "present", field: "last_active_at" }, ["ann"]],
  [is("locked", true), ["Cy"]],
  [is("locked", false), ["ann", "bare", "bob", "hostile"]],
  [is("has_image", true), ["ann"]],
  [is("two_factor_enabled", true), ["ann"]],
  [is("password_enabled", false), ["Cy"]],

  [term("external_id", "contains", "XT-"), ["ann"]],
  [term("external_id", "prefix", "ext"), ["ann"]],
  [term("external_id", "suffix", "t-1"), ["ann"]],
  [term("external_id", "suffix", "ext"), []],
  [term("id", "contains", "CY"), ["Cy"]],
  [term("id", "suffix", "cy"), ["Cy"]],
  [term("id", "prefix", "cy"), []],
  [term("username", "prefix", "ANN_"), ["ann"]],
  [term("username", "suffix", "n_a"), ["ann"]],
  [term("first_name", "prefix", "a"), ["ann"]],
  [term("first_name", "prefix", "á"), ["bob"]],
  [term("first_name", "contains", "nn"), ["ann", "bob"]],
  [term("last_name", "suffix", "ITH"), ["ann"]],
  [term("name", "prefix", "ann s"), ["ann"]],
  [term("name", "suffix", "na ipek"), ["bob"]],
  [term("name", "contains", "h\ns"), []],
  [term("any", "prefix", "ann@acme"), ["ann"]],
  [term("any", "prefix", "acme"), []],
  [term("any", "suffix", "acme.com"), ["ann", "bob"]],
  [term("any", "contains", "acme.c"), ["ann", "bob"]],
  [term("email", "prefix", "bob@"), ["bob"]],
  [term("email", "suffix", ".ORG"), ["ann"]],
  [term("phone", "prefix", "+1"), ["ann"]],
  [term("wallet", "contains", "0x"), []],
  [term("name", "similar", "ann smiht"), ["ann"]],
  [term("last_name", "similar", "smitth"), ["Cy", "ann"]],
  [term("first_name", "similar", "smith"), []],
  [term("email", "similar", "bob@acme"), ["ann", "bob"]],
  [term("username", "similar", "ann_a"), ["ann"]],
  [term("any", "similar", "acme.com"), ["ann", "bob"]],
  [term("any", "similar", "USER_HOSTILE"), ["hostile"]],
  [term("any", "similar", "!?"), []],

  [at("plan", { operator: "in", values: ["pro"] }), ["ann"]],
  [at("plan", { operator: "in", values: ["Pro"] }), []],
  [at("seats", { operator: "in", values: [5] }), ["ann"]],
  [at("seats", { operator: "in", values: [5, "5"] }), ["ann", "bob"]],
  [at("flag", { operator: "in", values: [false] }), ["bob"]],
  [at("deep/a/b", { operator: "in", values: ["x"] }), ["ann"]],
  [at("a.b", { operator: "in", values: [1] }), ["ann"]],
  [at("nested//", { operator: "in", values: [1] }), ["Cy"]],
  [at("1", { operator: "in", values: ["one"] }), ["ann"]],
  [at("deeper/1", { operator: "in", values: ["one"] }), []],
  [at("roles", { operator: "has", values: ["admin"] }), ["ann"]],
  [at("roles", { operator: "has", values: ["dev", "x"] }), []],
  [at("list", { operator: "has", values: [60, 61] }), ["ann"]],
  [at("seats", { operator: "gt", value: 5 }), ["Cy"]],
  [at("seats", { operator: "gte", value: 5 }), ["Cy", "ann"]],
  [at("seats", { operator: "lt", value: -1e21 }), []],
  [at("seats", { operator: "gte", value: "4" }), ["bob"]],
  [at("list", { operator: "gte", value: 60 }), ["bob"]],
  [at("since", { operator: "lt", value: "2024-06" }), ["ann"]],
  [at("flag", { operator: "gt", value: 0 }), []],
  [at("flag", { operator: "present" }), ["ann", "bob"]],
  [at("none", { operator: "present" }), []],
  [at("roles", { operator: "present" }), ["ann", "bob"]],
  [at("deep/a", { operator: "present" }), ["ann", "bob"]],
  [at("deep/a/b", { operator: "present" }), ["ann"]],
  [at("deeper/1", { operator: "present" }), []],
  [at("title", { operator: "contains", text: "STRAßE" }), ["ann"]],
  [at("title", { operator: "contains", text: "no. 5K" }), ["ann"]],
  [at("title", { operator: "prefix", text: "stra" }), ["ann"]],
  [at("title", { operator: "suffix", text: "5K" }), ["ann"]],
  [at("title", { operator: "suffix", text: "\u212a" }), ["ann"]],
  [at("title", { operator: "contains", text: "ipe" }), ["bob"]],
  [at("title", { operator: "contains", text: "ipek" }), []],
  [at("title", { operator: "contains", text: "σίσυφος" }), ["bob"]],
  [at("title", { operator: "prefix", text: "İPEK\u0301" }), ["bob"]],
  [at("deeper/1", { operator: "contains", text: "one" }), []],
  [
    { kind: "metadata", object: "unsafe", path: ["theme"], test: { operator: "suffix", text: "ARK" } },
    ["ann"],
  ],
  [{ kind: "metadata", object: "private", path: ["secret"], test: { operator: "in", values: [7] } }, ["ann"]],

  [has("email"), ["ann", "bob"]],
  [has("email", one("key", "ANN@acme.com")), ["ann"]],
  [has("email", one("domain", "ACME.COM")), ["ann", "bob"]],
  [has("email", one("domain", "old.org", "x.y")), ["ann"]],
  [has("email", one("domain", "acme.com"), flag("verified", true)), ["ann"]],
  [has("email", one("domain", "old.org"), flag("verified", true)), []],
  [has("email", one("domain", "old.org"), flag("primary", false)), ["ann"]],
  [has("email", { kind: "term", how: "suffix", field: "domain", text: "ORG" }), ["ann"]],
  [has("email", { kind: "term", how: "prefix", field: "key", text: "bob@" }), ["bob"]],
  [has("email", { kind: "not", condition: one("domain", "acme.com") }), ["ann"]],
  [has("phone", one("key", "+15551")), ["ann"]],
  [has("account", one("provider", "github")), ["ann", "bob"]],
  [has("account", one("provider", "oauth_google", "x")), ["ann"]],
  [has("account", one("provider", "google"), one("provider_user_id", "G1")), ["ann"]],
  [has("account", one("provider", "google"), one("provider_user_id", "g1")), []],
  [has("account", one("provider_user_id", "G1")), ["ann", "bob"]],
  [has("account", one("email_address", "ANN@gmail.com")), ["ann"]],
  [has("account", { kind: "term", how: "contains", field: "provider", text: "GIT" }), ["ann", "bob"]],
  [has("account", { kind: "term", how: "prefix", field: "provider", text: "git" }), ["ann"]],
  [has("account", { kind: "term", how: "prefix", field: "provider", text: "OAUTH_git" }), ["bob"]],
  [has("account", { kind: "term", how: "contains", field: "provider", text: "auth_g" }), ["ann", "bob"]],
  [has("account", { kind: "term", how: "suffix", field: "provider", text: "oauth_google" }), ["ann"]],
  [has("account", { kind: "term", how: "suffix", field: "email_address", text: "GMAIL.com" }), ["ann"]],
  [has("account", { kind: "present", field: "email_address" }), ["ann"]],
  [has("membership"), ["ann", "bob"]],
  [has("membership", one("key", "org_A"), one("role", "org:admin")), ["ann"]],
  [has("membership", one("key", "org_B"), one("role", "org:admin")), ["bob"]],
  [has("membership", one("key", "org_b")), []],
  [has("membership", one("role", "ORG:admin")), []],
  [has("membership", { kind: "term", how: "prefix", field: "role", text: "ORG:ad" }), ["ann", "bob"]],
  [has("membership", { kind: "term", how: "suffix", field: "key", text: "_a" }), ["ann"]],
  [has("membership", { kind: "compare", field: "created_at", operator: "lte", valueMs: NOW }), ["bob"]],
  [
    has("membership", { kind: "compare", field: "created_at", operator: "gt", valueMs: -(2 ** 53) }),
    ["ann", "bob"],
  ],
  [
    has("membership", { kind: "compare", field: "created_at", operator: "among", valuesMs: [NOW + 2] }),
    ["ann"],
  ],
  [
    has("membership", {
      ...{ kind: "metadata", object: "public", path: ["seats"], test: { operator: "gte", value: 2 } },
    }),
    ["ann"],
  ],
  [
    has(
      "membership",
      { kind: "or", any: [one("key", "org_A"), one("role", "org:admin")] },
      { kind: "not", condition: one("key", "org_A") },
    ),
    ["bob"],
  ],
];

describe("a condition keeps whom it says, and its complement everybody else", () => {
  test("whether it stands alone, in or, or in not", async ({ db }) => {
    await fill(db);
    for (const [condition, kept] of CASES) {
      const told = JSON.stringify(condition);
      const others = EVERYBODY.filter((id) => !kept.includes(id));
      const nobody: Condition = { kind: "compare", field: "id", operator: "in", values: [] };
      const not: Condition = { kind: "not", condition };
      expect([told, await keptBy(db, condition)]).toEqual([told, kept]);
      expect([told, await keptBy(db, { kind: "or", any: [condition, nobody] })]).toEqual([told, kept]);
      expect([told, await keptBy(db, condition, true)]).toEqual([told, kept]);
      // However many are expected to have a term, and whatever is read of them.
      for (const way of [
        ...[{ reads: [] }, { share: 0.1 }, { share: 1 }],
        ...[
          { gather: true, share: 0.1 },
          { gather: true, share: 1 },
        ],
      ]) {
        expect([told, way, await keptBy(db, condition, way)]).toEqual([told, way, kept]);
        expect([told, way, await countBy(db, condition, way)]).toEqual([told, way, kept.length]);
      }
      expect([told, await countBy(db, condition, { gather: true })]).toEqual([told, kept.length]);
      const also: Condition = { kind: "and", all: [term("any", "contains", "user_"), condition] };
      expect([told, await keptBy(db, also)]).toEqual([told, kept]);
      const oneOf: Condition = {
        kind: "or",
        any: [condition, nobody, has("membership", one("key", "none"))],
      };
      expect([told, await keptBy(db, oneOf, true)]).toEqual([told, kept]);
      expect([told, await keptBy(db, { kind: "not", condition: oneOf }, true)]).toEqual([told, others]);
      expect([told, await keptBy(db, not)]).toEqual([told, others]);
      expect([told, await keptBy(db, { kind: "or", any: [not, nobody] })]).toEqual([told, others]);
      expect([told, await keptBy(db, { kind: "not", condition: not })]).toEqual([told, kept]);
    }
  }, 60_000);
});

describe("a text from outside", () => {
  test("is a value wherever it stands", async ({ db }) => {
    await fill(db);
    for (const [n, key] of HOSTILE.entries()) {
      const value = HOSTILE[(n + 1) % HOSTILE.length] ?? "";
      const of = (test: MetadataTest): Condition => ({
        ...{ kind: "metadata", object: "public", path: [key, key], test },
      });
      const tests: MetadataTest[] = [
        { operator: "in", values: [value] },
        { operator: "gte", value },
        { operator: "present" },
        ...(value === ""
          ? []
          : (["contains", "prefix", "suffix"] as const).map((operator) => ({ operator, text: value }))),
      ];
      for (const test of tests)
        expect([key, test, await keptBy(db, of(test))]).toEqual([key, test, ["hostile"]]);
      expect(await keptBy(db, of({ operator: "has", values: [value] }))).toEqual([]);
    }
    for (const text of HOSTILE.filter((text) => text !== "")) {
      for (const how of ["contains", "prefix", "suffix", "similar"] as const) {
        for (const field of ["any", "name", "first_name", "email", "username"] as const) {
          const kept = await keptBy(db, term(field, how, text));
          const isTheirs = text === HOSTILE[7] && ["any", "name", "first_name"].includes(field);
          if (how !== "similar")
            expect([text, how, field, kept]).toEqual([text, how, field, isTheirs ? ["hostile"] : []]);
        }
        if (how === "similar") continue;
        for (const field of ["id", "external_id", "phone", "wallet", "last_name"] as const) {
          expect([text, how, field, await keptBy(db, term(field, how, text))]).toEqual([
            text,
            how,
            field,
            [],
          ]);
        }
        for (const field of ["key", "domain"] as const) {
          expect(await keptBy(db, has("email", { kind: "term", how, field, text }))).toEqual([]);
        }
      }
      for (const field of ["id", "external_id", "username", "first_name", "last_name", "name"] as const) {
        const isTheirs = text === HOSTILE[7] && ["name", "first_name"].includes(field);
        const kept = await keptBy(db, { kind: "compare", field, operator: "in", values: [text] });
        expect([field, text, kept]).toEqual([field, text, isTheirs ? ["hostile"] : []]);
      }
      for (const field of ["provider", "provider_user_id", "email_address"] as const) {
        expect(await keptBy(db, has("account", one(field, text)))).toEqual([]);
      }
      expect(await keptBy(db, has("membership", one("key", text), one("role", text)))).toEqual([]);
    }
  }, 60_000);
});
