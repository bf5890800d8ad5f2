// Covers src/query/field.ts

import fc from "fast-check";
import { expect, test } from "vitest";
import type { Projected } from "../../src/query/field.js";
import type { RawRow } from "../../src/query/present.js";
import { shownColumns, showUser } from "../../src/query/project.js";
import { clerkUser } from "../support/clerk-user.js";
import { rowOf } from "../support/stored-row.js";

const ALL = { privateMetadata: true };
const MODEST = { privateMetadata: false };

const field = (name: string) => ({ kind: "field", name }) as Projected;
const member = (name: string): Projected => ({ kind: "member", name });
const path = (object: "public" | "unsafe" | "private", ...keys: string[]): Projected => ({
  kind: "metadata",
  object,
  path: keys,
  text: `${object}_metadata.${keys.join(".")}`,
});

function show(row: RawRow, fields: readonly Projected[], view = ALL, nowMs = 0): Record<string, unknown> {
  return JSON.parse(String(Buffer.concat(showUser(fields, view, nowMs)(row))));
}

const ada = clerkUser({
  id: "user_1",
  username: "ada",
  email_addresses: [
    { id: "idn_2", email_address: "second@example.com" },
    { id: "idn_user_1", email_address: "Ada@Example.COM" },
  ],
  external_accounts: [{ provider: "oauth_google" }, { provider: "apple" }, { provider: "google" }],
  public_metadata: { plan: "pro", "a.b": 1, nested: { list: [1, 2], nothing: null } },
  private_metadata: { secret: { n: 5 } },
});

test("members come as they are, in the order of the fields, and null where the user has none", () => {
  const shown = show(rowOf(ada), [member("public_metadata"), member("id"), member("banned"), member("scim")]);
  expect(Object.entries(shown)).toEqual([
    ["public_metadata", ada.public_metadata],
    ["id", "user_1"],
    ["banned", false],
    ["scim", null],
  ]);
});

test("of several values the primary one is shown, and all in an array where none is primary", () => {
  const names = ["email_address", "email_domain", "phone_number", "web3_wallet", "provider", "name"];
  const memberships = [
    ["org_2", "org:admin"],
    ["org_1", "org:member"],
  ];
  const fields = [...names, "organization_id", "organization_role"].map(field);
  expect(show(rowOf(ada, memberships), fields)).toEqual({
    email_address: "Ada@Example.COM",
    email_domain: "example.com",
    phone_number: null,
    web3_wallet: null,
    provider: ["apple", "google", "oauth_google"],
    name: ["Ada", "Lovelace", "Ada Lovelace"],
    organization_id: ["org_2", "org_1"],
    organization_role: ["org:admin", "org:member"],
  });
  const bare = { ...ada, first_name: null, last_name: null, primary_email_address_id: null };
  expect(show(rowOf({ ...bare, external_accounts: [] }), fields)).toEqual({
    email_address: null,
    email_domain: null,
    phone_number: null,
    web3_wallet: null,
    provider: [],
    name: [],
    organization_id: [],
    organization_role: [],
  });
});

test("metadata is shown under its path, whatever stands there, and arrays and inherited keys lead nowhere", () => {
  const user = { ...ada, unsafe_metadata: JSON.parse('{"__proto__":{"own":1}}') };
  const paths = [
    path("public", "plan"),
    path("public", "a.b"),
    path("public", "nested", "list"),
    path("public", "nested", "list", "0"),
    path("public", "nested", "list", "length"),
    path("public", "nested", "nothing", "deeper"),
    path("public", "constructor"),
    path("public", "plan", "length"),
    path("unsafe", "__proto__", "own"),
    path("unsafe", "__proto__", "toString"),
    path("private", "secret", "n"),
  ];
  expect(Object.values(show(rowOf(user), paths))).toEqual([
    ...["pro", 1, [1, 2], null, null, null, null, null, 1, null],
    5,
  ]);
});

test("private metadata is hidden at every level from who may not read it", () => {
  const user = {
    ...ada,
    public_metadata: { private_metadata: "the user's own" },
    memberships: [{ private_metadata: { secret: 1 }, public_metadata: {} }],
  };
  const fields = [
    ...["private_metadata", "memberships", "public_metadata"].map(member),
    path("private", "secret", "n"),
    path("public", "private_metadata"),
  ];
  expect(show(rowOf(user), fields, MODEST)).toEqual({
    private_metadata: null,
    memberships: [{ private_metadata: null, public_metadata: {} }],
    public_metadata: user.public_metadata,
    "private_metadata.secret.n": null,
    "public_metadata.private_metadata": "the user's own",
  });
  expect(show(rowOf(user), fields, ALL)).toMatchObject({
    private_metadata: { secret: { n: 5 } },
    "private_metadata.secret.n": 5,
  });
});

test("a lockout counts down in fields too", () => {
  const locked = { ...ada, locked: true, lockout_expires_in_seconds: 60 };
  const fields = ["locked", "lockout_expires_in_seconds"].map(member);
  const row = () => rowOf(locked, null, 60_000);
  expect(show(row(), fields, ALL, 30_000)).toEqual({ locked: true, lockout_expires_in_seconds: 30 });
  expect(show(row(), fields, ALL, 60_000)).toEqual({ locked: false, lockout_expires_in_seconds: null });
});

test("without fields the stored bytes are passed on", () => {
  const row = rowOf(ada);
  const pieces = showUser(null, ALL, 0)(row);
  expect(JSON.parse(String(Buffer.concat(pieces)))).toEqual(ada);
  expect(pieces[0]?.buffer).toBe(row[0]?.buffer);
});

test("memberships are read only for fields that speak of them, and a name that is there twice is shown once", () => {
  expect(shownColumns(null)).not.toContain("organization_memberships");
  expect(shownColumns([field("email_address"), member("id")])).not.toContain("organization_memberships");
  expect(shownColumns([field("organization_role")])).toContain("organization_memberships");
  const twice = Buffer.concat(showUser([member("id"), field("id")], ALL, 0)(rowOf(ada)));
  expect(String(twice)).toBe('{"id":"user_1"}');
  expect(show(rowOf(ada), [])).toEqual({});
});

test("whatever JSON stands in a member or under a path comes back as it was", () => {
  const unit = fc.constantFrom(...`ab."\\ \0é😀[]{}`, "\ud800", "__proto__");
  const keys = fc.string({ unit });
  fc.assert(
    fc.property(keys, fc.jsonValue({ stringUnit: unit }), (key, value) => {
      const metadata = JSON.parse(`{${JSON.stringify(key)}:${JSON.stringify(value)}}`);
      const user = JSON.parse(JSON.stringify({ ...ada, public_metadata: metadata }));
      const text = `public_metadata.${key}`;
      const fields: Projected[] = [
        { kind: "metadata", object: "public", path: [key], text },
        member("public_metadata"),
      ];
      const shown = show(rowOf(user), fields);
      expect(shown).toEqual({ [text]: metadata[key], public_metadata: metadata });
    }),
    { numRuns: 50 },
  );
});
