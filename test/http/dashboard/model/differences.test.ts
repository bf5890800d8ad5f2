import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { differencesOf } from "../../../../src/http/dashboard/model/differences.js";

describe("two objects", () => {
  test.each([
    [{ a: 1 }, { a: 1 }, []],
    [{ a: 1, b: 2 }, { b: 3, a: 1 }, [{ path: "b", here: 2, there: 3 }]],
    [{ a: { b: [1, 2] } }, { a: { b: [1, 3] } }, [{ path: "a.b[1]", here: 2, there: 3 }]],
    [{ "a.b": null }, {}, [{ path: '"a.b"', here: null, there: undefined }]],
    [{ a: {} }, { a: [] }, [{ path: "a", here: {}, there: [] }]],
    [{ a: 5 }, { a: "5" }, [{ path: "a", here: 5, there: "5" }]],
    [
      { emails: [{ id: "x", v: 1 }, { id: "y" }] },
      { emails: [{ id: "y" }, { id: "x", v: 2 }, { id: "z" }] },
      [
        { path: "emails[x].v", here: 1, there: 2 },
        { path: "emails[z]", here: undefined, there: { id: "z" } },
      ],
    ],
  ])("%j and %j", (here, there, differences) => {
    expect(differencesOf(here, there)).toEqual(differences);
  });

  test("differ nowhere exactly if they are the same but for the order of keys", () => {
    const sorted = (value: unknown): unknown =>
      Array.isArray(value)
        ? value.map(sorted)
        : typeof value === "object" && value !== null
          ? Object.fromEntries(
              Object.entries(value)
                .map(([key, inner]): [string, unknown] => [key, sorted(inner)])
                .sort(([a], [b]) => (a < b ? -1 : 1)),
            )
          : value;
    const json = fc.jsonValue({ maxDepth: 3 }).map((value) => JSON.parse(JSON.stringify(value)) as unknown);
    fc.assert(
      fc.property(json, json, (here, there) => {
        expect(differencesOf(here, here)).toEqual([]);
        expect(differencesOf(here, there).length === 0).toBe(
          JSON.stringify(sorted(here)) === JSON.stringify(sorted(there)),
        );
      }),
    );
  });

  test("as deep as an array nests, and as many as there are, up to 500", () => {
    const deep = (n: number, end: unknown) => {
      let value = end;
      for (let i = 0; i < n; i++) value = [value];
      return value;
    };
    expect(differencesOf(deep(5000, 1), deep(5000, 2))).toHaveLength(1);
    const many = Array.from({ length: 1000 }, (_, n) => n);
    expect(
      differencesOf(
        many,
        many.map((n) => n + 1),
      ),
    ).toHaveLength(500);
  });
});
