import { DAY_MS } from "../../lib/days.js";
import type { HeardOfDay } from "../ledger/sweeps.js";
import { PAGE_SIZE } from "./clerk-pages.js";

const MINUTE_MS = 60_000;

/**
 * The first sweep before midnight stores what webhooks didn't tell: time enough for it at a second a page, waiting for the quota
 * included. The last one finds most of it stored, and goes several times as fast.
 */
const EARLY = { leastMs: 2 * MINUTE_MS, pageMs: 1000, mostMs: 30 * MINUTE_MS };
const LATE = { leastMs: 10_000, pageMs: 200, mostMs: 5 * MINUTE_MS };

const lead = ({ leastMs, pageMs, mostMs }: typeof EARLY, active: number) =>
  Math.min(mostMs, leastMs + Math.ceil(active / PAGE_SIZE) * pageMs);

/** When the last sweep of a day begins. A count from then on tells how many were active on it. */
export const lateSweepMs = (day: number, active: number): number => (day + 1) * DAY_MS - lead(LATE, active);

/** From when on Clerk's lists and counts show all that happened before this day. */
export const settledMs = (day: number, lagMs: number): number => day * DAY_MS + lagMs;

/**
 * When the next sweep is due, by Clerk's clock, seen on `day`. Two before midnight, the last as near to it as its pages allow, and one
 * after it, which comes first if it is missing: also for days on which nobody could ask.
 */
export function nextSweepMs(
  day: number,
  { sinceDay, active, countedAtMs }: HeardOfDay,
  lagMs: number,
): number {
  if (sinceDay < day) return settledMs(day, lagMs);
  const endMs = (day + 1) * DAY_MS;
  const dueMs = [endMs - lead(EARLY, active), lateSweepMs(day, active)];
  return dueMs.find((ms) => countedAtMs === null || countedAtMs < ms) ?? settledMs(day + 1, lagMs);
}
