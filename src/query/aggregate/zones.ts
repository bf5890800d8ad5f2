import { LRUCache } from "lru-cache";
import { createPause } from "../../lib/turns.js";

/** From this moment until the next segment begins, local clocks are ahead of UTC by this much. */
export interface Segment {
  fromMs: number;
  offsetMs: number;
}

const SECOND_MS = 1000;
/** Nowhere have clocks been changed twice within less than four days. */
const STEP_MS = 86_400_000;

/** A formatter takes 50 µs to make and some KB to keep; a year takes 1.5 ms to look through, and hardly anything to keep. */
const formatters = new LRUCache<string, Intl.DateTimeFormat>({ max: 100 });
const years = new LRUCache<string, readonly Segment[]>({ max: 20_000 });

/** Null: there is no such zone. Names are matched in any case. */
export function zoneNamed(name: string): string | null {
  try {
    return new Intl.DateTimeFormat("en-US", { timeZone: name }).resolvedOptions().timeZone;
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

/**
 * What the zone's clocks show from a moment to another, at the least. `Intl` tells the offset of one moment only, so each
 * day is asked for, and where it differs from the day before the moment of the change is searched for.
 */
export async function segmentsOf(zone: string, fromMs: number, toMs: number): Promise<Segment[]> {
  const segments: Segment[] = [];
  const pause = createPause();
  for (let year = yearOf(fromMs); year <= yearOf(toMs); year++) {
    for (const segment of yearOfZone(zone, year)) {
      if (segments.at(-1)?.offsetMs !== segment.offsetMs) segments.push(segment);
    }
    await pause();
  }
  return segments;
}

function yearOfZone(zone: string, year: number): readonly Segment[] {
  const key = `${year} ${zone}`;
  const known = years.get(key);
  if (known) return known;
  const offsetAt = offsetsOf(zone);
  const endMs = startOfYear(year + 1);
  let last: Segment = { fromMs: startOfYear(year), offsetMs: offsetAt(startOfYear(year)) };
  const segments = [last];
  for (let beforeMs = last.fromMs; beforeMs < endMs; beforeMs += STEP_MS) {
    const afterMs = Math.min(endMs, beforeMs + STEP_MS);
    const offsetMs = offsetAt(afterMs);
    if (offsetMs === last.offsetMs) continue;
    last = { fromMs: changeBetween(beforeMs, afterMs, offsetAt), offsetMs };
    segments.push(last);
  }
  years.set(key, segments);
  return segments;
}

/** The first second with another offset than at `beforeMs`. */
function changeBetween(beforeMs: number, afterMs: number, offsetAt: (ms: number) => number): number {
  const oldMs = offsetAt(beforeMs);
  let [same, changed] = [beforeMs / SECOND_MS, afterMs / SECOND_MS];
  while (changed - same > 1) {
    const middle = Math.floor((same + changed) / 2);
    if (offsetAt(middle * SECOND_MS) === oldMs) same = middle;
    else changed = middle;
  }
  return changed * SECOND_MS;
}

/** `GMT`, `GMT+05:30`, or `GMT-00:44:30` of former times. */
const OFFSET = /GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/;

function offsetsOf(zone: string): (ms: number) => number {
  const format =
    formatters.get(zone) ??
    new Intl.DateTimeFormat("en-US", { timeZone: zone, hour: "numeric", timeZoneName: "longOffset" });
  formatters.set(zone, format);
  return (ms) => {
    const [, sign, hours = "0", minutes = "0", seconds = "0"] = OFFSET.exec(format.format(ms)) ?? [];
    const offsetMs = ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * SECOND_MS;
    return sign === "-" ? -offsetMs : offsetMs;
  };
}

/** As ISO 8601 writes it: `+02:00`, or `-00:44:30` where it isn't whole minutes. */
export function offsetText(offsetMs: number): string {
  const seconds = Math.abs(offsetMs) / SECOND_MS;
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  if (seconds % 60 !== 0) parts.push(seconds % 60);
  return `${offsetMs < 0 ? "-" : "+"}${parts.map((part) => String(part).padStart(2, "0")).join(":")}`;
}

const yearOf = (ms: number) => new Date(ms).getUTCFullYear();

/** `Date.UTC` takes the years 0 to 99 for those of the last century. */
const startOfYear = (year: number) => new Date(0).setUTCFullYear(year, 0, 1);
