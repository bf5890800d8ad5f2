import fc from "fast-check";
import { expect, test } from "vitest";
import { calendarOf } from "../../../../src/http/dashboard/model/calendar.js";

const TODAY = Date.UTC(2026, 10, 26, 15);

test("the calendar ends with the week of today, and knows days from the history's first on", () => {
  const [before, week] = calendarOf(new Set(["2026-11-20", "2026-11-26"]), {
    todayMs: TODAY,
    weeks: 2,
    since: "2026-11-18",
  });
  expect(before?.map(({ day, isActive }) => [day, isActive])).toEqual([
    ["2026-11-16", null],
    ["2026-11-17", null],
    ["2026-11-18", false],
    ["2026-11-19", false],
    ["2026-11-20", true],
    ["2026-11-21", false],
    ["2026-11-22", false],
  ]);
  expect(week?.map(({ isActive }) => isActive)).toEqual([false, false, false, true, null, null, null]);
});

test("its weeks begin on Mondays and have each day once, whatever the day", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4e12 }), fc.integer({ min: 1, max: 60 }), (todayMs, weeks) => {
      const days = calendarOf(new Set(), { todayMs, weeks, since: null }).flat();
      expect(days).toHaveLength(weeks * 7);
      const times = days.map(({ day }) => Date.parse(day));
      expect(new Date(times[0] ?? 0).getUTCDay()).toBe(1);
      expect(times.slice(1).every((time, n) => time - (times[n] ?? 0) === 86_400_000)).toBe(true);
      expect(days.slice(-7).map(({ day }) => day)).toContain(new Date(todayMs).toISOString().slice(0, 10));
    }),
  );
});
