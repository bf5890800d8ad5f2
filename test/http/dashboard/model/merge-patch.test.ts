import fc from "fast-check";
import { expect, test } from "vitest";
import { mergePatchOf } from "../../../../src/http/dashboard/model/merge-patch.js";

type Json = Record<string, unknown>;

/** RFC 7386, as the standard writes it. */
function merge(target: unknown, patch: unknown): unknown {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch;
  const isObject = typeof target === "object" && target !== null && !Array.isArray(target);
  const merged = new Map(isObject ? Object.entries(target) : []);
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) merged.delete(key);
    else merged.set(key, merge(merged.get(key), value));
  }
  return Object.fromEntries(merged);
}

/** Without nulls in objects, which no patch can bring. */
const object: fc.Arbitrary<Json> = fc.letrec<{ value: unknown; object: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.oneof(fc.constantFrom("a", 1, true, ""), fc.array(fc.constantFrom(1, null, "x"), { maxLength: 3 })),
    tie("object"),
  ),
  object: fc.dictionary(fc.constantFrom("a", "b", "c", "__proto__"), tie("value"), { maxKeys: 4 }),
})).object;

test("merged into what was there, it makes what was wanted, and leaves what others changed meanwhile", () => {
  fc.assert(
    fc.property(object, object, (before, after) => {
      const patch = mergePatchOf(before, after);
      expect(merge(before, patch)).toEqual(after);
      const meanwhile = Object.fromEntries([...Object.entries(before), ["others", 1]]);
      expect(merge(meanwhile, patch)).toEqual(Object.fromEntries([...Object.entries(after), ["others", 1]]));
    }),
  );
});

test("says nothing of what is the same", () => {
  expect(mergePatchOf({ a: 1, b: { c: [1], d: 2 } }, { a: 1, b: { c: [1], d: 3 } })).toEqual({ b: { d: 3 } });
  expect(mergePatchOf({ a: { b: 1 } }, { a: [] })).toEqual({ a: [] });
  expect(mergePatchOf({ a: 1 }, {})).toEqual({ a: null });
  expect(mergePatchOf({ a: [{ b: 1 }] }, { a: [{ b: 1 }] })).toEqual({});
});
