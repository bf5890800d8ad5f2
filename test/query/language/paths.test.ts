import fc from "fast-check";
import { expect, test } from "vitest";
import { sqlText } from "../../../src/lib/text.js";
import { parseFieldRef, parseMetadataPath, pathText } from "../../../src/query/language/paths.js";
import { metadataKey } from "./random-filters.js";
import { refusal } from "./refusal.js";

const ALL = new Set(["private_metadata:read"] as const);

const parse = (text: string) => parseMetadataPath(text, ALL, "here").path;

test.each([
  ["public_metadata.plan", ["plan"]],
  ["public_metadata.a.b", ["a", "b"]],
  ['public_metadata."a.b".c', ["a.b", "c"]],
  ['public_metadata."say \\"hi\\" \\\\ there"', ['say "hi" \\ there']],
  ['public_metadata.""', [""]],
  ["public_metadata.my key", ["my key"]],
  ["public_metadata.__proto__.constructor", ["__proto__", "constructor"]],
  ["public_metadata.a\\b", ["a\\b"]],
  ["public_metadata.tags[0]", ["tags[0]"]],
])("reads the keys of %s", (text, path) => {
  expect(parse(text)).toEqual(path);
});

test.each([
  "public_metadata",
  "public_metadata.",
  "public_metadata..a",
  "public_metadata.a.",
  'public_metadata."a',
  'public_metadata."a"b',
  'public_metadata.a"b"',
  'public_metadata."a\\b"',
  'public_metadata."a" .b',
  `public_metadata.${"a.".repeat(100)}a`,
])("refuses %s", (text) => {
  expect(refusal(() => parse(text))).toMatchObject({ code: "invalid_request", path: "here" });
});

test("reads back the path that it writes, whatever the keys", () => {
  fc.assert(
    fc.property(
      fc.constantFrom("public", "unsafe", "private"),
      fc.array(metadataKey, { minLength: 1, maxLength: 100 }),
      (object, path) => {
        const read = parseMetadataPath(pathText(object as "public", path), ALL, "here");
        expect(read).toEqual({ object, path: path.map(sqlText) });
      },
    ),
  );
});

test("lets only keys with the scope name private metadata", () => {
  expect(refusal(() => parseFieldRef("private_metadata.a", new Set(), "fields[0]"))).toMatchObject({
    code: "forbidden",
    message: "This key lacks the scope private_metadata:read.",
  });
});

test.each([
  ["emailAddress", "Did you mean email_address?"],
  ["created", "Did you mean created_at?"],
  ["publicMetadata.plan", "Did you mean public_metadata.<path>?"],
  ["constructor", "It can be: id, external_id"],
  ["__proto__", "It can be: id, external_id"],
  ["any", "It can be: id, external_id"],
])("knows no field %s, and says: %s", (name, says) => {
  const { path, longMessage } = refusal(() => parseFieldRef(name, ALL, "fields[3]"));
  expect(path).toBe("fields[3]");
  expect(longMessage).toContain(says);
});
