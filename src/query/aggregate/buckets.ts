import { DAY_MS } from "../../lib/days.js";
import { createPause } from "../../lib/turns.js";
import { offsetText, type Segment, segmentsOf } from "./zones.js";

export const BUCKETS = ["hour", "day", "week", "month"] as const;
export type Bucket = (typeof BUCKETS)[number];

/**
 * The buckets that a span of time falls into, numbered from 0 in the order of time. The span is cut into pieces, each of
 * which lies in one bucket. A bucket can have several: where clocks are put back over midnight, the old day goes on after the
 * new one had begun.
 */
export interface Series {
  /** How each bucket is called. */
  labels: readonly string[];
  /** When each piece begins. The first begins with the span. */
  starts: readonly number[];
  /** When the last piece ends, which is where the span ends. */
  endMs: number;
  /** The bucket of each piece. */
  numbers: readonly number[];
}

/** From the first millisecond to the last, both within it. */
export interface Span {
  fromMs: number;
  toMs: number;
}

const HOUR_MS = 3_600_000;
/** No month, nor any other bucket, is shorter than this. */
const LENGTH_MS: Record<Bucket, number> = {
  hour: HOUR_MS,
  day: DAY_MS,
  week: 7 * DAY_MS,
  month: 28 * DAY_MS,
};

/** Nor is any longer: a date occurs twice where a zone changes sides of the date line. */
const LONGEST_MS: Record<Bucket, number> = {
  hour: HOUR_MS,
  day: 2 * DAY_MS,
  week: 8 * DAY_MS,
  month: 32 * DAY_MS,
};

/** Hours of almost three years, days of 68. It bounds what a statement is sent, and how long it takes to make. */
const MOST_BUCKETS = 25_000;
/** A zone takes 1.5 ms for each year that isn't known yet. */
const MOST_MS = 200 * 366 * DAY_MS;
/** Beyond it there is no date. */
const LAST_DATE_MS = 8.64e15 - 1000 * DAY_MS;
/** Further than any clock has been put back. */
const MARGIN_MS = 2 * DAY_MS;

/** Whether the span falls into no more buckets than can be told apart in a statement. */
export const isCountable = (bucket: Bucket, { fromMs, toMs }: Span): boolean =>
  fromMs >= -LAST_DATE_MS &&
  toMs <= LAST_DATE_MS &&
  toMs - fromMs <= Math.min(MOST_MS, MOST_BUCKETS * LENGTH_MS[bucket]);

/** How many buckets the span falls into at the least, without looking at the zone's clocks. */
export const leastBuckets = (bucket: Bucket, { fromMs, toMs }: Span): number =>
  Math.max(0, Math.floor((toMs - fromMs) / LONGEST_MS[bucket]));

/** Buckets are those of the zone's own clocks and calendar. The span has to be countable; one that ends before it begins has none. */
export async function seriesOf(bucket: Bucket, zone: string, span: Span): Promise<Series> {
  if (span.fromMs > span.toMs) return { labels: [], starts: [], endMs: 0, numbers: [] };
  const segments = await segmentsOf(zone, span.fromMs - MARGIN_MS, span.toMs + MARGIN_MS);
  const pieces = piecesOf(bucket, segments, span.toMs + MARGIN_MS);
  const isTwice = bucket === "hour" ? hoursThatOccurTwice(pieces) : () => false;
  const numberOf = new Map<string, number>();
  const [starts, numbers, labels]: [number[], number[], string[]] = [[], [], []];
  const pause = createPause();
  for (const [n, { fromMs, localMs, offsetMs }] of pieces.entries()) {
    const next = pieces[n + 1];
    if (fromMs > span.toMs || (next && next.fromMs <= span.fromMs)) continue;
    const label = labelOf(bucket, localMs) + (isTwice(localMs) ? offsetText(offsetMs) : "");
    const number = numberOf.get(label) ?? labels.push(label) - 1;
    numberOf.set(label, number);
    if (numbers.at(-1) === number) continue;
    starts.push(Math.max(fromMs, span.fromMs));
    numbers.push(number);
    await pause();
  }
  return { labels, starts, endMs: span.toMs + 1, numbers };
}

/** A stretch of time within one bucket and one offset. `localMs`: what the zone's clocks show where the bucket begins. */
interface Piece {
  fromMs: number;
  localMs: number;
  offsetMs: number;
}

function piecesOf(bucket: Bucket, segments: readonly Segment[], untilMs: number): Piece[] {
  const pieces: Piece[] = [];
  for (const [n, { fromMs, offsetMs }] of segments.entries()) {
    const endMs = Math.min(untilMs, segments[n + 1]?.fromMs ?? untilMs);
    let localMs = startOfBucket(bucket, fromMs + offsetMs);
    for (let atMs = fromMs; atMs < endMs; atMs = localMs - offsetMs) {
      pieces.push({ fromMs: atMs, localMs, offsetMs });
      localMs = nextBucket(bucket, localMs);
    }
  }
  return pieces;
}

function hoursThatOccurTwice(pieces: readonly Piece[]): (localMs: number) => boolean {
  const offsets = new Map<number, number>();
  const twice = new Set<number>();
  for (const { localMs, offsetMs } of pieces) {
    if ((offsets.get(localMs) ?? offsetMs) !== offsetMs) twice.add(localMs);
    offsets.set(localMs, offsetMs);
  }
  return (localMs) => twice.has(localMs);
}

/** The start of the bucket by clocks that show `localMs`. A week begins on Monday; the day 0 was a Thursday. */
function startOfBucket(bucket: Bucket, localMs: number): number {
  if (bucket === "hour") return Math.floor(localMs / HOUR_MS) * HOUR_MS;
  const day = Math.floor(localMs / DAY_MS);
  if (bucket === "day") return day * DAY_MS;
  if (bucket === "week") return (day - ((((day + 3) % 7) + 7) % 7)) * DAY_MS;
  return new Date(new Date(day * DAY_MS).setUTCDate(1)).getTime();
}

function nextBucket(bucket: Bucket, localMs: number): number {
  if (bucket !== "month") return localMs + LENGTH_MS[bucket];
  const start = new Date(localMs);
  return start.setUTCMonth(start.getUTCMonth() + 1);
}

/** The start in local time: `2026-11-01`, or `2026-11-01T02:00` for an hour. */
function labelOf(bucket: Bucket, localMs: number): string {
  const text = new Date(localMs).toISOString();
  return text.slice(0, text.indexOf("T") + (bucket === "hour" ? "T00:00".length : 0));
}
