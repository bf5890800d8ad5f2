import { DAY_MS, isoDay } from "../../../lib/days.js";

/** A running total, one point a day, or a week where days would be too many. */
export interface Growth {
  /** `YYYY-MM-DD`, evenly spread. */
  keys: string[];
  totals: number[];
}

const MOST_DAYS = 200;
/** Twenty years of weeks. What is dated before is counted in the first. */
const MOST_POINTS = 1040;

/** From the day before the first who joined up to today. `joined`: in the order of their days. */
export function growthOf(joined: readonly { day: string; count: number }[], todayMs: number): Growth {
  const today = Math.floor(todayMs / DAY_MS);
  const days = joined.map(({ day, count }) => ({ day: Math.floor(Date.parse(day) / DAY_MS), count }));
  const [first] = days;
  if (!first) return { keys: [], totals: [] };
  const span = Math.max(1, today - first.day + 1);
  const step = span > MOST_DAYS ? 7 : 1;
  const points = Math.min(MOST_POINTS, Math.ceil(span / step) + 1);
  const keys: string[] = [];
  const totals: number[] = [];
  let [at, total] = [0, 0];
  for (let n = 0; n < points; n++) {
    const day = today - (points - 1 - n) * step;
    for (; at < days.length && (days[at]?.day ?? 0) <= day; at++) total += days[at]?.count ?? 0;
    keys.push(isoDay(day * DAY_MS));
    totals.push(total);
  }
  return { keys, totals };
}
