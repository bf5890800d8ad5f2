import { DAY_MS, isoDay } from "../../../lib/days.js";

/** For how long back the charts go. */
export const RANGES = { "30d": 30, "90d": 90, "180d": 180, "365d": 365 } as const;
export type Range = keyof typeof RANGES;
const DEFAULT_RANGE: Range = "90d";

export const rangeOf = (text: string | null): Range =>
  text !== null && Object.hasOwn(RANGES, text) ? (text as Range) : DEFAULT_RANGE;

/** A zone that JavaScript knows; UTC for anything else. */
export function zoneOf(text: string | null): string {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: text || "UTC" }).resolvedOptions().timeZone;
  } catch {
    return "UTC";
  }
}

/** The first UTC day of a range that ends today. */
export const firstDay = (range: Range, nowMs: number): string => isoDay(nowMs - (RANGES[range] - 1) * DAY_MS);
