import { DAY_MS, isoDay } from "../../../lib/days.js";

/** A day of the calendar. `isActive` null: before the history, or still to come. */
export interface CalendarDay {
  /** `YYYY-MM-DD`, UTC. */
  day: string;
  isActive: boolean | null;
}

/** Weeks from Monday to Sunday, the oldest first. */
export type Calendar = CalendarDay[][];

/**
 * The weeks up to and with today's, each day with whether it is among `active`. `since`: the first day that the history knows, or
 * null, where it knows none.
 */
export function calendarOf(
  active: ReadonlySet<string>,
  { todayMs, weeks, since }: { todayMs: number; weeks: number; since: string | null },
): Calendar {
  const today = Math.floor(todayMs / DAY_MS);
  // Day 0, 1970-01-01, was a Thursday.
  const monday = today - ((today + 3) % 7);
  return Array.from({ length: weeks }, (_, week) =>
    Array.from({ length: 7 }, (_, weekday) => {
      const number = monday - (weeks - 1 - week) * 7 + weekday;
      const day = isoDay(number * DAY_MS);
      const isKnown = active.has(day) || (number <= today && since !== null && day >= since);
      return { day, isActive: isKnown ? active.has(day) : null };
    }),
  );
}
