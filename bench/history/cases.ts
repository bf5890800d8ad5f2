import { DAY_MS } from "../people/person.js";
import { type Case, count, groups } from "../queries/cases.js";
import { DAYS, LAST_DAY } from "./days.js";

/** Each of the periods of half a year: fewer than the numbers that one answer may have. */
const LIMIT = 500;
/** As for other counts by two keys. */
const TWO_DIMENSIONS = { counts: 9 };
const PLAN = "public_metadata.plan";
const PRO = "plan = pro";
const TRIAL = "plan = trial";

/** What people ask about activity. */
export function activityCases(): Case[] {
  const from = new Date((LAST_DAY - DAYS + 1) * DAY_MS).toISOString();
  const twelveWeeks = new Date((LAST_DAY - 12 * 7 + 1) * DAY_MS).toISOString();
  const active = (bucket: "day" | "week" | "month", filter: object) => ({
    group_by: [{ field: "active_day", bucket }],
    ...{ filter, limit: LIMIT },
  });
  const filtered = (plan: string) => ({ [PLAN]: plan });
  return [
    groups("active users a day, 180 days", active("day", {}), { counts: 4 }),
    groups("active users a week, 180 days", active("week", {}), { counts: 4 }),
    groups("active users a month, 180 days", active("month", {}), { counts: 4 }),
    ...[PRO, TRIAL].flatMap((what) => {
      const filter = filtered(what.slice("plan = ".length));
      const counted = count(what, filter, { counts: 5 });
      const limit = { counts: 3, over: counted.what };
      return [
        counted,
        groups(`active users a day, ${what}`, active("day", filter), limit),
        groups(`active users a week, ${what}`, active("week", filter), limit),
      ];
    }),
    {
      what: "retention, 12 weeks",
      path: "retention",
      body: { filter: { created_at: { gte: twelveWeeks } }, cohort: "week", periods: 12 },
      limit: { counts: 4 },
    },
    {
      what: "retention, everybody of half a year, by week",
      path: "retention",
      body: { filter: { created_at: { gte: from } }, cohort: "week", periods: 26 },
      limit: TWO_DIMENSIONS,
    },
    {
      what: "retention, everybody, by month",
      path: "retention",
      body: { cohort: "month", periods: 6 },
      limit: TWO_DIMENSIONS,
    },
  ];
}
