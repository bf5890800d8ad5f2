import fc from "fast-check";
import { expect, test } from "vitest";
import { growthOf } from "../../../../src/http/dashboard/model/growth.js";

const DAY = 86_400_000;
const TODAY = Date.UTC(2026, 10, 29, 7);
const dayBefore = (n: number) => new Date(TODAY - n * DAY).toISOString().slice(0, 10);

test("a running total by day, from the day before the first", () => {
  const joined = [
    { day: "2026-11-26", count: 2 },
    { day: "2026-11-28", count: 1 },
  ];
  expect(growthOf(joined, TODAY)).toEqual({
    keys: ["2026-11-25", "2026-11-26", "2026-11-27", "2026-11-28", "2026-11-29"],
    totals: [0, 2, 2, 3, 3],
  });
  expect(growthOf([], TODAY)).toEqual({ keys: [], totals: [] });
});

test("never has more points than a chart can show, ends with everybody today, and never falls", () => {
  const joined = fc
    .uniqueArray(fc.tuple(fc.integer({ min: 0, max: 20_000 }), fc.integer({ min: 1, max: 9 })), {
      selector: ([day]) => day,
      minLength: 1,
      maxLength: 40,
    })
    .map((all) => all.sort(([a], [b]) => b - a).map(([n, count]) => ({ day: dayBefore(n), count })));
  fc.assert(
    fc.property(joined, (all) => {
      const { keys, totals } = growthOf(all, TODAY);
      expect(keys.length).toBe(totals.length);
      expect(keys.length).toBeLessThanOrEqual(1040);
      expect(keys.at(-1)).toBe("2026-11-29");
      expect(totals.at(-1)).toBe(all.reduce((sum, { count }) => sum + count, 0));
      expect([...totals].sort((a, b) => a - b)).toEqual(totals);
      expect(new Set(keys).size).toBe(keys.length);
    }),
  );
});
