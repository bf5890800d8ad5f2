import { DAY_MS } from "../../lib/days.js";
import type { Cohort } from "./cohorts-request.js";

/** Weeks and months of UTC days, numbered on from that of the first of January 1970. Days are numbered from there, too. */
export interface Periods {
  /** In which one a day is. */
  of(day: number): number;
  firstDayOf(period: number): number;
  /** The same in SQL, of a date. */
  sql(date: string): string;
}

/** The day 0 was a Thursday: its week began three days before. */
const FIRST_MONDAY = -3;

const PERIODS: Readonly<Record<Cohort, Periods>> = {
  week: {
    of: (day) => Math.floor((day - FIRST_MONDAY) / 7),
    firstDayOf: (week) => week * 7 + FIRST_MONDAY,
    sql: (date) => `(${date} - date '1969-12-29') / 7`,
  },
  month: {
    of(day) {
      const date = new Date(day * DAY_MS);
      return (date.getUTCFullYear() - 1970) * 12 + date.getUTCMonth();
    },
    firstDayOf: (month) => Date.UTC(1970, month, 1) / DAY_MS,
    // Not by `extract`, which computes in decimals and takes twice as long.
    sql: (date) =>
      `(date_part('year', ${date}) * 12 + date_part('month', ${date}) - ${1970 * 12 + 1})::integer`,
  },
};

export const periodsOf = (cohort: Cohort): Periods => PERIODS[cohort];

/** Of a date as buckets are called. */
export const dayNamed = (label: string): number => Date.parse(label) / DAY_MS;
