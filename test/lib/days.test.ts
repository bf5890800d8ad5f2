import { expect, test } from "vitest";
import { DAY_MS, dayOf, isoDay } from "../../src/lib/days.js";

test.for([
  ["1970-01-01T00:00:00.000Z", 0],
  ["1970-01-01T23:59:59.999Z", 0],
  ["1970-01-02T00:00:00.000Z", 1],
  ["2024-02-29T12:00:00.000Z", 19_782],
  ["1969-12-31T00:00:00.000Z", 0],
] as const)("%s is the day %i", ([moment, day]) => {
  expect(dayOf(Date.parse(moment))).toBe(day);
});

test("a day is over after its milliseconds", () => {
  const midnight = Date.parse("2026-03-29T00:00:00Z");
  expect([dayOf(midnight + DAY_MS - 1), dayOf(midnight + DAY_MS)]).toEqual([
    dayOf(midnight),
    dayOf(midnight) + 1,
  ]);
});

test("a day is written as the one in which the moment lies, by UTC", () => {
  expect(
    ["2024-02-29T23:59:59.999Z", "2024-03-01T00:00:00Z"].map((text) => isoDay(Date.parse(text))),
  ).toEqual([...["2024-02-29", "2024-03-01"]]);
});
