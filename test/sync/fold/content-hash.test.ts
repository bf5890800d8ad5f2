import { isDeepStrictEqual } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { expect, test } from "vitest";
import { contentHash } from "../../../src/sync/fold/content-hash.js";

type Json = Record<string, unknown>;

/** Few names, so that many objects share their first and their number, and differ in the rest. */
const key = fc.constantFrom("a", "b", "ab", "c", "1:a", "");
const { object } = fc.letrec<{ object: Json; value: unknown }>((tie) => ({
  object: fc.dictionary(key, tie("value"), { maxKeys: 4, noNullPrototype: true }),
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constantFrom(null, true, 0, 1, 11, "", "a", '"1:a', "z", "1;"),
    fc.array(tie("value"), { maxLength: 3 }),
    tie("object"),
  ),
}));

const NONE: ReadonlySet<string> = new Set();

/** The same with the members of every object in another order. */
function turned(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(turned);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([name, inner]) => [name, turned(inner)]),
  );
}

test("two objects have the same hash if and only if they say the same, in whatever order", () => {
  fc.assert(
    fc.property(object, object, (one, other) => {
      expect(contentHash(one, NONE)).toBe(contentHash(turned(one) as Json, NONE));
      expect(contentHash(one, NONE) === contentHash(other, NONE)).toBe(
        isDeepStrictEqual({ ...one }, { ...other }),
      );
    }),
    { numRuns: 2000 },
  );
});

test("members that are left out don't matter, and only those of the object itself are", () => {
  const except = new Set(["b"]);
  fc.assert(
    fc.property(object, fc.anything(), (one, value) => {
      const { b: _, ...rest } = one;
      expect(contentHash({ ...rest, b: value }, except)).toBe(contentHash(rest, except));
    }),
  );
  expect(contentHash({ a: { b: 1 } }, except)).not.toBe(contentHash({ a: { b: 2 } }, except));
});

test("hashes stay what they are: stored ones are compared with those of later versions", () => {
  const user = { id: "user_1", b: [1, "x", null], a: { z: true, y: "ä" } };
  expect(contentHash(user, NONE)).toBe("7u0MbeVytw_0PX15Y7l59j");
});

test("the shapes that users make of their metadata take no memory for good", () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const held = () => {
    collect();
    return process.memoryUsage().heapUsed;
  };
  contentHash({ id: "user_1" }, NONE);
  const before = held();
  for (let n = 0; n < 800; n++) {
    // As long and as many as fit into 8 KB, each of another first name.
    const names = Array.from({ length: 300 }, (_, key) => [`${n}/${key} and twenty letters`, key]);
    contentHash(Object.fromEntries(names), NONE);
    contentHash({ [`${n} ${"x".repeat(8000)}`]: 1 }, NONE);
  }
  expect((held() - before) / 2 ** 20).toBeLessThan(8);
});
