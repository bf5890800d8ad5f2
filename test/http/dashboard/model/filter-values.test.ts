import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  parseValue,
  parseValues,
  printValue,
  printValues,
} from "../../../../src/http/dashboard/model/filter-values.js";

const text = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.constantFrom("", " a", "5", "true", "null", '"', 'a"b', "a,b", "\\", "a\nb", "\ud800", "now-30d", ","),
);
const scalar = fc.oneof(
  text,
  fc.boolean(),
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0),
);

describe("a value as it is written into a box", () => {
  test.each([
    ["pro", "metadata", "pro"],
    [" 5 ", "metadata", 5],
    ['"5"', "metadata", "5"],
    ["true", "metadata", true],
    ["5", "text", "5"],
    ['" x "', "text", " x "],
    ['"half', "text", '"half'],
    ["false", "flag", false],
    ["maybe", "flag", "maybe"],
    ["1700000000000", "time", 1_700_000_000_000],
    ["now-30d", "time", "now-30d"],
  ] as const)("%s in a %s", (written, kind, value) => {
    expect(parseValue(written, kind)).toBe(value);
  });

  test("is printed so that it is read as it was", () => {
    fc.assert(
      fc.property(scalar, (value) => {
        const printed = printValue(value, "metadata");
        expect(printed).not.toMatch(/[\r\n]/);
        expect(parseValue(new URLSearchParams({ printed }).get("printed") ?? "", "metadata")).toEqual(value);
      }),
    );
    fc.assert(
      fc.property(text, (value) => {
        expect(parseValue(printValue(value, "text"), "text")).toBe(value);
      }),
    );
  });
});

describe("several values in one box", () => {
  test("stand between commas", () => {
    expect(parseValues('a, b ,"c, d",,', "text")).toEqual(["a", "b", "c, d"]);
    expect(parseValues(", 1, true", "metadata")).toEqual([1, true]);
    expect(parseValues(" ", "text")).toEqual([]);
  });

  test("are read in a time that grows with their length, whatever spaces and quotes they have", () => {
    const many = 200_000;
    expect(parseValues(`a${" ".repeat(many)}b`, "text")).toHaveLength(1);
    expect(parseValues(`"a"${" ".repeat(many)}b`, "text")).toHaveLength(1);
    expect(parseValues(`"${"\\".repeat(many)},b`, "text")).toHaveLength(2);
  });

  test("are printed so that they are read as they were", () => {
    fc.assert(
      fc.property(fc.array(scalar), (values) => {
        expect(parseValues(printValues(values, "metadata"), "metadata")).toEqual(values);
      }),
    );
  });
});
