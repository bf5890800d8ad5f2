import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { SCOPES } from "../../../src/auth/scopes.js";
import { FIELD_NAMES } from "../../../src/query/field.js";
import { parseFields } from "../../../src/query/language/projection.js";
import { refusal } from "./refusal.js";

const fields = (given: unknown) => parseFields(given, new Set(SCOPES));

test("every member that Clerk's description of a user has is shown as it is", () => {
  const fixture = join(import.meta.dirname, "../../../src/http/openapi/clerk-users.json");
  const { components } = JSON.parse(readFileSync(fixture, "utf8"));
  for (const name of Object.keys(components.schemas.User.properties)) {
    expect(fields([name])).toEqual([{ kind: "member", name }]);
  }
});

test("every field of the language can be shown", () => {
  for (const name of FIELD_NAMES) expect(fields([name])[0]).toMatchObject({ name });
  expect(fields(["email_address"])).toEqual([{ kind: "field", name: "email_address" }]);
});

test("metadata paths are shown under the name that the caller wrote", () => {
  const text = 'public_metadata."a.b".c';
  expect(fields([text])).toEqual([{ kind: "metadata", object: "public", path: ["a.b", "c"], text }]);
});

test("an entry that stands twice is shown once", () => {
  expect(fields(["id", "username", "id"])).toHaveLength(2);
});

test.each([
  ["id", "fields", "must be an array"],
  [[], "fields", "from 1 to 100"],
  [Array.from({ length: 101 }, (_, n) => `public_metadata.k${n}`), "fields", "from 1 to 100"],
  [["id", 5], "fields[1]", "must be a text"],
  [["emailAddresses"], "fields[0]", "Did you mean email_addresses?"],
  [["any"], "fields[0]", "is neither"],
  [["membership"], "fields[0]", "is neither"],
  [["__proto__"], "fields[0]", "is neither"],
  [["id", "public_metadata."], "fields[1]", "no key of metadata"],
])("%j is refused", (given, path, says) => {
  const { path: named, longMessage } = refusal(() => fields(given));
  expect(named).toBe(path);
  expect(longMessage).toContain(says);
});

test("private metadata need their scope by a path, and are null without it as a whole", () => {
  expect(refusal(() => parseFields(["private_metadata.a"], new Set()))).toMatchObject({ code: "forbidden" });
  expect(parseFields(["private_metadata"], new Set())).toEqual([
    { kind: "member", name: "private_metadata" },
  ]);
});
