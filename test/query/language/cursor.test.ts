import fc from "fast-check";
import { expect, test } from "vitest";
import type { OrderKey } from "../../../src/query/field.js";
import { bindingOf, cursorText, demandBinding, parseCursor } from "../../../src/query/language/cursor.js";
import { refusal } from "./refusal.js";

const value = fc.oneof(
  fc.string({ unit: "grapheme" }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.boolean(),
  fc.constant(null),
);
const cursor = fc.record({
  binding: fc.string(),
  nowMs: fc.integer({ min: -8.64e15, max: 8.64e15 }),
  changesCursor: fc.base64String(),
  keys: fc.array(
    value.map((one) => (Object.is(one, -0) ? 0 : one)),
    { maxLength: 5 },
  ),
});
const CURSOR = { binding: bindingOf({}), nowMs: 5, changesCursor: "c", keys: ["Ann", "user_1"] };

test("a cursor is read as it was written", () => {
  fc.assert(
    fc.property(cursor, (given) => {
      const text = cursorText(given);
      expect(text).toMatch(/^[\w.-]+$/);
      expect(parseCursor(text, "cursor")).toEqual(given);
    }),
  );
});

test("whatever else is refused: what was cut off, mistyped, or never a cursor", () => {
  const whole = cursorText(CURSOR);
  const changed = fc
    .tuple(fc.nat({ max: whole.length - 1 }), fc.constantFrom(..."aA0-_.= \0"))
    .map(([at, by]) => whole.slice(0, at) + by + whole.slice(at + 1));
  const others = fc.oneof(
    changed,
    fc.nat({ max: whole.length - 1 }).map((length) => whole.slice(0, length)),
    fc.string(),
    fc.constantFrom(`${whole}.`, `${whole}=`, ` ${whole}`, "x".repeat(300_000)),
  );
  fc.assert(
    fc.property(
      others.filter((text) => text !== whole),
      (text) => {
        expect(refusal(() => parseCursor(text, "cursor"))).toMatchObject({
          code: "invalid_request",
          path: "cursor",
        });
      },
    ),
  );
});

test("what a stranger puts together is refused unless its parts are of the right kind", () => {
  for (const wrong of [
    { nowMs: 1.5 },
    { nowMs: "now" },
    { keys: "a" },
    { binding: 5 },
    { changesCursor: null },
    { changesCursor: "\0" },
  ]) {
    const text = cursorText({ ...CURSOR, ...wrong } as typeof CURSOR);
    expect(refusal(() => parseCursor(text, "cursor")).path).toBe("cursor");
  }
});

const by = (name: "id" | "username" | "created_at" | "last_active_at" | "banned"): OrderKey => ({
  by: { kind: "field", name },
  descending: false,
});
const METADATA: OrderKey = {
  by: { kind: "metadata", object: "public", path: ["a"], text: "" },
  descending: true,
};
const SCORE: OrderKey = { by: "score", descending: true };

test.each([
  [[by("username"), by("id")], ["ann", "user_1"], true],
  [[by("username"), by("id")], [null, "user_1"], true],
  [[by("username"), by("id")], [5, "user_1"], false],
  [[by("username"), by("id")], ["ann"], false],
  [[by("id")], ["ann", "user_1"], false],
  [[by("id")], [null], false],
  [[by("id")], ["\0"], false],
  [[by("id")], ["\ud800"], false],
  [[by("last_active_at"), by("id")], [5, "a"], true],
  [[by("last_active_at"), by("id")], [null, "a"], true],
  [[by("created_at"), by("id")], ["5", "a"], false],
  [[by("created_at"), by("id")], [1e300, "a"], false],
  [[by("banned"), by("id")], [true, "a"], true],
  [[by("banned"), by("id")], [null, "a"], false],
  [[METADATA, by("id")], ["x", "a"], true],
  [[METADATA, by("id")], [{}, "a"], false],
  [[METADATA, by("id")], ["\0", "a"], false],
  [[SCORE, by("id")], [0.5, "a"], true],
  [[SCORE, by("id")], ["0.5", "a"], false],
])("values go with their orders: %j, %j: %j", (orders, keys, fits) => {
  const demand = () => demandBinding({ ...CURSOR, keys: keys as [] }, CURSOR.binding, orders, "cursor");
  if (fits) demand();
  else expect(refusal(demand).path).toBe("cursor");
});

test("a cursor of another combination is refused, saying so", () => {
  const { path, longMessage } = refusal(() => demandBinding(CURSOR, bindingOf({ a: 1 }), [], "cursor"));
  expect(path).toBe("cursor");
  expect(longMessage).toContain("belongs to another filter, order_by or fields");
});

test("the order of an object's members binds nothing, everything else does", () => {
  const one = { a: [1, { b: null, c: "x" }], d: true };
  expect(bindingOf({ d: true, a: [1, { c: "x", b: null }] })).toBe(bindingOf(one));
  const others = [
    { ...one, d: false },
    { ...one, d: "true" },
    { a: [{ b: null, c: "x" }, 1], d: true },
    { a: [1, { b: "null", c: "x" }], d: true },
    { a: '[1,{"b":null,"c":"x"}]', d: true },
    {},
  ];
  expect(new Set([one, ...others].map((value) => bindingOf(value))).size).toBe(others.length + 1);
  expect(bindingOf("a", "b")).not.toBe(bindingOf("a,b"));
});
