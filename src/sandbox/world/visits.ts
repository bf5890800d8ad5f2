import type { Random } from "./random.js";

/** How somebody uses the application: how likely a visit is on a day, by how many days ago they signed up. */
type Habit = (daysSince: number, isWeekend: boolean) => number;

const DAILY: Habit = (_, isWeekend) => (isWeekend ? 0.3 : 0.75);
const NOW_AND_THEN: Habit = (_, isWeekend) => (isWeekend ? 0.1 : 0.2);
const LOSES_INTEREST: Habit = (daysSince) => 0.5 * Math.exp(-daysSince / 20);
const HAD_A_LOOK: Habit = (daysSince) => 0.35 * Math.exp(-daysSince / 3);

/** How many people there are of each habit, as shares that add up to 1. */
const HABITS: readonly [share: number, habit: Habit][] = [
  [0.12, DAILY],
  [0.25, NOW_AND_THEN],
  [0.3, LOSES_INTEREST],
  [0.33, HAD_A_LOOK],
];

/**
 * The days from `firstDay` to `lastDay` on which somebody came who signed up on `createdDay`, in order: the day of the sign-up is one
 * of them. Days are days since 1970, UTC.
 */
export function visitDays(
  random: Random,
  { createdDay, firstDay, lastDay }: { createdDay: number; firstDay: number; lastDay: number },
): number[] {
  const habit = habitOf(random.next());
  const days: number[] = [];
  for (let day = Math.max(createdDay, firstDay); day <= lastDay; day++) {
    // Drawn on every day, so that the others stay as they are when one changes.
    const comes = random.chance(habit(day - createdDay, isWeekend(day)));
    if (comes || day === createdDay) days.push(day);
  }
  return days;
}

function habitOf(drawn: number): Habit {
  let upTo = 0;
  for (const [share, habit] of HABITS) {
    upTo += share;
    if (drawn < upTo) return habit;
  }
  return HAD_A_LOOK;
}

/** The share of people who had signed up before the days of the history. */
const BEFORE = 0.4;
const YEARS_BEFORE_DAYS = 3 * 365;
/** So many of those who would sign up at a weekend do so on a working day. */
const WAITS_FOR_MONDAY = 0.5;

/** A day of sign-up: more and more of them as the application grows, and fewer at weekends. */
export function signUpDay(
  random: Random,
  { firstDay, lastDay }: { firstDay: number; lastDay: number },
): number {
  if (random.chance(BEFORE)) return firstDay - 1 - random.int(YEARS_BEFORE_DAYS);
  const day = firstDay + Math.floor((lastDay - firstDay + 1) * random.next() ** 0.65);
  const waits = isWeekend(day) && random.chance(WAITS_FOR_MONDAY);
  return waits && day + 2 <= lastDay ? day + 2 : day;
}

/** 1970 began on a Thursday. */
const isWeekend = (day: number) => (day + 4) % 7 === 6 || (day + 4) % 7 === 0;
