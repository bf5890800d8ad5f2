import { expect, test } from "vitest";
import { LOOKUP_KEYS, parseLookup } from "../../../src/query/language/lookup-request.js";
import { refusal } from "./refusal.js";

const lookup = (given: unknown) => parseLookup(JSON.stringify(given), new Set());
const keys = (count: number) => Array.from({ length: count }, (_, n) => `${n}`.padEnd(300, "é"));

test.each(LOOKUP_KEYS)("looks users up by %s", (by) => {
  expect(lookup({ by, keys: ["a", "a", ""] })).toEqual({ by, keys: ["a", "a", ""], fields: null });
});

test("takes 1,000 keys, however long, and the fields to show", () => {
  const request = lookup({ by: "id", keys: keys(1000), fields: ["id", "public_metadata.a"] });
  expect(request.keys).toHaveLength(1000);
  expect(request.fields).toHaveLength(2);
  expect(lookup({ by: "id", keys: [] }).keys).toEqual([]);
});

test("keys are as Postgres can hold them", () => {
  expect(lookup({ by: "username", keys: ["\0", "\ud800"] }).keys).toEqual(["\ufffd", "\ufffd"]);
});

test.each([
  [{}, "by"],
  [{ by: "email", keys: [] }, "by"],
  [{ by: "id" }, "keys"],
  [{ by: "id", keys: "a" }, "keys"],
  [{ by: "id", keys: ["a", null] }, "keys[1]"],
  [{ by: "id", keys: [5] }, "keys[0]"],
  [{ by: "id", keys: keys(1001) }, "keys"],
  [{ by: "id", keys: [], fields: ["x"] }, "fields[0]"],
  [{ by: "id", keys: [], limit: 5 }, "limit"],
  [[], "body"],
])("%j is refused", (given, path) => {
  expect(refusal(() => lookup(given))).toMatchObject({ code: "invalid_request", path });
});

test("private metadata need their scope", () => {
  expect(refusal(() => lookup({ by: "id", keys: [], fields: ["private_metadata.a"] })).code).toBe(
    "forbidden",
  );
});
