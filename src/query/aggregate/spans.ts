import type { Bound, Condition } from "../condition.js";
import { conjuncts, keepsEverybody } from "../condition.js";
import { problem } from "../language/problems.js";
import { isCountable, type Series, type Span } from "./buckets.js";
import { ACTIVE_DAY, type GroupedTime, type TimeGroup } from "./request.js";

/** The first and the last millisecond that a filter allows in a field; null where it sets no bound. */
interface Bounds {
  fromMs: number | null;
  toMs: number | null;
}

/** From the first time that there is to the last; null: there are none. */
export interface Spans {
  /** Of all users: an index has it at once. */
  ofAll(field: GroupedTime): Promise<Span | null>;
  /** Of those whom the filter keeps, who have to be looked through. */
  ofKept(field: GroupedTime): Promise<Span | null>;
}

/** Which of the buckets are shown where they are empty: from the first on, or to the last; otherwise from or to those with users. */
interface Shown {
  isFromBound: boolean;
  isToBound: boolean;
}

export interface BoundedSeries extends Series, Shown {}

/** The time that users of a group can have. */
export interface BoundedSpan extends Span, Shown {}

const INSIDE: Record<Bound, { side: keyof Bounds; plusMs: number }> = {
  gte: { side: "fromMs", plusMs: 0 },
  gt: { side: "fromMs", plusMs: 1 },
  lte: { side: "toMs", plusMs: 0 },
  lt: { side: "toMs", plusMs: -1 },
};

/** By what must hold in any case; a bound inside `or` or `not` is none. */
function boundsOf(field: GroupedTime, filter: Condition): Bounds {
  const bounds: Bounds = { fromMs: null, toMs: null };
  for (const condition of conjuncts(filter)) {
    if (condition.kind !== "compare" || condition.field !== field || !("valueMs" in condition)) continue;
    const { side, plusMs } = INSIDE[condition.operator];
    const valueMs = condition.valueMs + plusMs;
    const knownMs = bounds[side] ?? valueMs;
    bounds[side] = side === "fromMs" ? Math.max(knownMs, valueMs) : Math.min(knownMs, valueMs);
  }
  return bounds;
}

/**
 * Where all users are whom the filter keeps. Throws `invalid_request` where these are too many buckets. Somebody who is added meanwhile
 * can have a time outside. It ends before it begins where nobody can be.
 */
export async function spanFor(group: TimeGroup, filter: Condition, times: Spans): Promise<BoundedSpan> {
  const { field, bucket, at } = group;
  const bounds = boundsOf(field, filter);
  const [isFromBound, isToBound] = [bounds.fromMs !== null, bounds.toMs !== null];
  const isOpen = !isFromBound || !isToBound;
  let { fromMs, toMs } = within(bounds, isOpen ? await times.ofAll(field) : null);
  // A few users can be near each other in a mirror of many years.
  if (isOpen && !isCountable(bucket, { fromMs, toMs }) && !keepsEverybody(filter)) {
    ({ fromMs, toMs } = within(bounds, await times.ofKept(field)));
  }
  if (fromMs <= toMs && !isCountable(bucket, { fromMs, toMs })) {
    throw problem(
      at,
      `has too many buckets: from ${dateOf(fromMs)} to ${dateOf(toMs)} by the ${bucket}. Take a longer bucket${field === ACTIVE_DAY ? "" : `, or set bounds to ${field} in the filter`}.`,
    );
  }
  return { fromMs, toMs, isFromBound, isToBound };
}

/** The times there are, as far as the bounds let them. Where there are none it is a moment, at a bound if there is one. */
function within({ fromMs, toMs }: Bounds, known: Span | null): Span {
  const from = fromMs ?? Math.min(known?.fromMs ?? toMs ?? 0, toMs ?? Number.POSITIVE_INFINITY);
  return { fromMs: from, toMs: toMs ?? Math.max(known?.toMs ?? from, from) };
}

function dateOf(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? `${ms}` : date.toISOString().slice(0, -"T00:00:00.000Z".length);
}
