// Covers src/query/language/orders.ts, src/query/field.ts
import { expect, test } from "vitest";
import { SCOPES } from "../../../src/auth/scopes.js";
import { FIELD_NAMES, type OrderKey } from "../../../src/query/field.js";
import { parseOrders } from "../../../src/query/language/orders.js";
import { refusal } from "./refusal.js";

const CONTEXT = { nowMs: 0, scopes: new Set(SCOPES) };
const orders = (given: unknown, filter: unknown = {}) => parseOrders(given, filter, CONTEXT.scopes);

const short = ({ by, descending }: OrderKey) => {
  const name = by === "score" ? "_score" : by.kind === "field" ? by.name : by.text;
  return (descending ? "-" : "") + name;
};

test.each([
  [[], ["-created_at", "-id"]],
  [["last_name"], ["last_name", "id"]],
  [
    ["-last_active_at", "id"],
    ["-last_active_at", "id"],
  ],
  [
    ["-last_active_at", "+last_name"],
    ["-last_active_at", "last_name", "id"],
  ],
  [[" username"], ["username", "id"]],
  [["web3wallet"], ["web3_wallet", "id"]],
  [["-id", "username"], ["-id"]],
  [
    ["username", "-username", "banned"],
    ["username", "banned", "id"],
  ],
  [
    ["public_metadata.a", '-public_metadata."a"', "-email_domain"],
    ["public_metadata.a", "-email_domain", "-id"],
  ],
  [['-public_metadata."a,b"'], ['-public_metadata."a,b"', "-id"]],
])("%j orders by %j", (given, keys) => {
  expect(orders(given).map(short)).toEqual(keys);
});

test("everything can be ordered by but what has several values and no primary one", () => {
  const without = ["provider", "organization_id", "organization_role"];
  for (const name of FIELD_NAMES) {
    if (!without.includes(name)) expect(orders([name])).toHaveLength(name === "id" ? 1 : 2);
    else expect(refusal(() => orders(["id", name])).path).toBe("order_by[1]");
  }
});

test.each([
  ["-created_at", "order_by", "must be an array"],
  [[5], "order_by[0]", "must be a text"],
  [[""], "order_by[0]", "names no field"],
  [["--id"], "order_by[0]", "names no field"],
  [["id", "-createdAt"], "order_by[1]", "Did you mean created_at?"],
  [["any"], "order_by[0]", "names no field"],
  [["public_metadata"], "order_by[0]", "which value"],
  [["_score"], "order_by[0]", "has none"],
  [Array.from({ length: 11 }, (_, n) => `public_metadata.k${n}`), "order_by", "at most 10"],
])("%j is refused", (given, path, says) => {
  const { path: named, longMessage } = refusal(() => orders(given));
  expect(named).toBe(path);
  expect(longMessage).toContain(says);
});

test("private metadata need their scope", () => {
  expect(refusal(() => parseOrders(["private_metadata.a"], {}, new Set()))).toMatchObject({
    code: "forbidden",
  });
});

test("_score ranks by what the filter has of similar, wherever it stands", () => {
  const similar = { name: { similar: "ann" } };
  for (const filter of [
    similar,
    { or: [similar, { username: { similar: "b" } }] },
    { not: similar },
    // Nobody, and everybody, whatever else is asked for.
    { and: [similar, { or: [] }] },
    { or: [similar, {}] },
  ]) {
    expect(orders(["-_score", "username"], filter).map(short)).toEqual(["-_score", "username", "id"]);
  }
  expect(refusal(() => orders(["id", "-_score"], { name: { contains: "ann" } })).path).toBe("order_by[1]");
});
