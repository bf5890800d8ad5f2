import { problem, shown } from "./problems.js";

/** The moments that JavaScript's dates reach, and far more than any column holds. */
const MAX_TIME_MS = 8.64e15;

const UNITS = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;
const RELATIVE = /^now(?:([+-])(\d{1,12})([mhdw]))?$/;
const ISO =
  /^(\d{4}-\d\d-\d\d)(?:[Tt](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?([Zz]|[+-]\d\d(?::?\d\d)?)?)?$/;

/**
 * A moment in milliseconds: given so, in ISO 8601, or from `nowMs` on. A date alone is its first moment in UTC, and a time without
 * a zone is one in UTC. Digits beyond milliseconds don't count.
 */
export function parseTime(value: unknown, nowMs: number, path: string): number {
  const timeMs = typeof value === "string" ? (relative(value, nowMs) ?? iso(value)) : value;
  if (typeof timeMs === "number" && Number.isInteger(timeMs) && Math.abs(timeMs) <= MAX_TIME_MS) {
    return timeMs + 0;
  }
  throw problem(
    path,
    `must be a time: whole milliseconds since 1970, a real date in ISO 8601 (2026-11-01, 2026-11-01T10:00:00Z), or now, now-30d, now+1h (units m, h, d, w), not ${shown(value)}.`,
  );
}

function relative(text: string, nowMs: number): number | null {
  const [, sign, amount, unit] = RELATIVE.exec(text) ?? [text];
  if (text === "now") return nowMs;
  if (amount === undefined) return null;
  return nowMs + (sign === "-" ? -1 : 1) * Number(amount) * UNITS[unit as keyof typeof UNITS];
}

/** NaN if there is no such moment. */
function iso(text: string): number {
  const found = ISO.exec(text);
  if (!found) return Number.NaN;
  const [, date = "", hours = "00", minutes = "00", seconds = "00", fraction = "", zone = "Z"] = found;
  const atUtc = `${date}T${hours}:${minutes}:${seconds}.${fraction.slice(0, 3).padEnd(3, "0")}Z`;
  const timeMs = Date.parse(atUtc);
  // Dates that don't exist are moved on to the next month, and hour 24 to the next day.
  if (Number.isNaN(timeMs) || new Date(timeMs).toISOString() !== atUtc) return Number.NaN;
  return timeMs - offsetMs(zone);
}

function offsetMs(zone: string): number {
  if (zone === "Z" || zone === "z") return 0;
  const [hours, minutes] = [Number(zone.slice(1, 3)), Number(zone.slice(3).replace(":", ""))];
  if (hours > 23 || minutes > 59) return Number.NaN;
  return (zone.startsWith("-") ? -1 : 1) * (hours * UNITS.h + minutes * UNITS.m);
}
