import { describe, expect, test } from "vitest";
import { lateSweepMs, nextSweepMs } from "../../../src/sync/reconcile/sweep-times.js";

const DAY_MS = 86_400_000;
const DAY = 20_000;
const END_MS = (DAY + 1) * DAY_MS;
const LAG_MS = 60_000;

const next = (heard: { sinceDay?: number; active?: number; countedAtMs?: number | null } = {}) =>
  nextSweepMs(DAY, { sinceDay: DAY, active: 0, countedAtMs: null, ...heard }, LAG_MS);

describe("the next sweep", () => {
  test("comes twice before midnight, and once after it when Clerk's lists have caught up", () => {
    const early = next();
    expect(early).toBe(END_MS - 120_000);
    const late = next({ countedAtMs: early });
    expect(late).toBe(END_MS - 10_000);
    expect(next({ countedAtMs: late - 1 })).toBe(late);
    expect(next({ countedAtMs: late })).toBe(END_MS + LAG_MS);
  });

  test("comes first for days that ended without one", () => {
    for (const sinceDay of [DAY - 1, DAY - 20]) expect(next({ sinceDay })).toBe(DAY * DAY_MS + LAG_MS);
  });

  test("begins the earlier, the more there are to read, but not by more than half an hour and five minutes", () => {
    expect(next({ active: 95_000 })).toBe(END_MS - 120_000 - 190_000);
    expect(lateSweepMs(DAY, 95_000)).toBe(END_MS - 10_000 - 38_000);
    expect(next({ active: 100_000_000 })).toBe(END_MS - 30 * 60_000);
    expect(lateSweepMs(DAY, 100_000_000)).toBe(END_MS - 5 * 60_000);
  });
});
