import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isSameJson, parseInParts, printInParts, skim } from "../../src/lib/json.js";
import { hidePrivateMetadata } from "../../src/lib/private-metadata.js";
import { LARGE_BYTES } from "../../src/lib/turns.js";

const read = (text: string) => parseInParts(Buffer.from(text));
/** Behind so much white space even a short list is read as a large one. */
const padding = " ".repeat(LARGE_BYTES + 1);

describe("a large body", () => {
  test("says what JSON.parse says, bare or in an envelope, whatever stands in it", async () => {
    const shape = fc.constantFrom(
      (list: string) => list,
      (list: string) => `{"data":${list},"total_count":3}`,
      (list: string) => `{"__proto__": [1], "a": {"data": [2]}, "data" : ${list} }`,
      (list: string) => `{"data":1,"data":${list}}`,
    );
    // JSON.parse makes `__proto__` a member like any other, and so must this.
    const value = fc.oneof(
      fc.json(),
      fc.constantFrom(
        '{"__proto__":{"a":1}}',
        '"\\\\\\""',
        '{"a":1,"a":2}',
        "1e400",
        '"\\u0000\\ud800"',
        "[]",
      ),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(value, { maxLength: 20 }), shape, async (values, wrap) => {
        const text = wrap(`[${values.join(" ,\n")}]`);
        const whole = JSON.stringify(JSON.parse(text));
        expect(JSON.stringify(await read(text + padding))).toBe(whole);
      }),
      { numRuns: 300 },
    );
  });

  test.each([
    ["[1,2", "[1,2}", "[1,]", "[,1]", "[1,,2]", "[1] 2", "[[1},2]", '[{"a":1],2]', '{"data":[1,}', '["a'],
  ])("that is no JSON is refused: %s", async (...texts) => {
    for (const text of texts) await expect(read(padding + text)).rejects.toThrow(SyntaxError);
  });

  test("has every element, also those that are a part of their own", async () => {
    const values = Array.from({ length: 9 }, (_, n) => (n % 2 === 0 ? "x".repeat(LARGE_BYTES) : n));
    expect(await read(JSON.stringify(values))).toEqual(values);
    await expect(read(`["${"x".repeat(LARGE_BYTES)}",]`)).rejects.toThrow(SyntaxError);
  });

  test("lets others have their turn between its parts", async () => {
    let turns = 0;
    let reading = true;
    const count = () => {
      turns++;
      if (reading) setImmediate(count);
    };
    setImmediate(count);
    const page = Array.from({ length: 500 }, (_, n) => ({
      id: n,
      metadata: Array.from({ length: 1000 }, (_, n) => ({ key: `value ${n}`, n })),
    }));
    expect(await read(JSON.stringify(page))).toHaveLength(500);
    reading = false;
    expect(turns).toBeGreaterThan(3);
  });
});

test("skimming counts the brackets, and how deep they lie, and knows those in texts from others", async () => {
  const { containers, depths, children } = await skim(Buffer.from('{"a[": [[], {"b": "\\"]}{"}], "c": 1}'));
  expect({ containers, depths }).toEqual({ containers: 4, depths: 1 + 2 + 3 + 3 });
  expect(children?.map(({ key }) => key)).toEqual(['"a["', '"c"']);
});

test("printing in parts prints what printing the whole would, bare or in an envelope", async () => {
  const inner = fc.jsonValue().map((value) => ({ private_metadata: value, public_metadata: value, value }));
  const list = fc.array(fc.oneof(inner, fc.jsonValue()));
  const envelope = list.map((data) => ({ private_metadata: 1, data, total_count: data.length }));
  await fc.assert(
    fc.asyncProperty(fc.oneof(list, envelope, fc.jsonValue()), async (value) => {
      for (const shape of [hidePrivateMetadata, (same: unknown) => same]) {
        expect(String(await printInParts(value, shape))).toBe(JSON.stringify(shape(value)));
      }
    }),
  );
});

describe("two values", () => {
  test("are the same if and only if they are printed alike", () => {
    const name = fc.constantFrom("a", "b", "__proto__", "constructor", "0");
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom(null, true, 0, 1, "", "a", "0"),
        fc.array(tie("value"), { maxLength: 2 }),
        fc
          .array(fc.tuple(name, tie("value")), { maxLength: 2 })
          .map((members) => JSON.parse(`{${members.map(([key, of]) => `"${key}":${JSON.stringify(of)}`)}}`)),
      ),
    }));
    fc.assert(
      fc.property(value, value, (one, other) => {
        expect(isSameJson(one, other)).toBe(JSON.stringify(one) === JSON.stringify(other));
        expect(isSameJson(one, JSON.parse(JSON.stringify(one)))).toBe(true);
      }),
      { numRuns: 5000 },
    );
  });

  test("are compared however deep a user can nest them", () => {
    const nested = () => JSON.parse("[".repeat(4096) + "]".repeat(4096));
    expect(isSameJson(nested(), nested())).toBe(true);
  });
});
