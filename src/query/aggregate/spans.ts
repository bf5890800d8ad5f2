import type { Bound, Condition, TimeField } from "../condition.js";
import { conjuncts } from "../condition.js";
import { problem } from "../language/problems.js";
import { isCountable, type Series, type Span, seriesOf } from "./buckets.js";
import type { TimeGroup } from "./request.js";

/** The first and the last millisecond that a filter allows in a field; null where it sets no bound. */
interface Bounds {
  fromMs: number | null;
  toMs: number | null;
}

/** The times that there are, of all users; null: there are none. */
export type SpanOf = (field: TimeField) => Promise<Span | null>;

/** The buckets of a group, and which of them are shown where they are empty. */
export interface BoundedSeries extends Series {
  /** From the first on, or to the last; otherwise from the first or to the last with users in it. */
  isFromBound: boolean;
  isToBound: boolean;
}

const INSIDE: Record<Bound, { side: keyof Bounds; plusMs: number }> = {
  gte: { side: "fromMs", plusMs: 0 },
  gt: { side: "fromMs", plusMs: 1 },
  lte: { side: "toMs", plusMs: 0 },
  lt: { side: "toMs", plusMs: -1 },
};

/** By what must hold in any case; a bound inside `or` or `not` is none. */
function boundsOf(field: TimeField, filter: Condition): Bounds {
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
 * All buckets that users can be in. Throws `invalid_request` where they are too many. Somebody who is added meanwhile can have a time
 * outside.
 */
export async function seriesFor(group: TimeGroup, filter: Condition, spanOf: SpanOf): Promise<BoundedSeries> {
  const { field, bucket, zone, at } = group;
  const bounds = boundsOf(field, filter);
  const [isFromBound, isToBound] = [bounds.fromMs !== null, bounds.toMs !== null];
  const known = isFromBound && isToBound ? null : await spanOf(field);
  const fromMs = bounds.fromMs ?? Math.min(known?.fromMs ?? 0, bounds.toMs ?? Number.POSITIVE_INFINITY);
  const toMs = bounds.toMs ?? Math.max(known?.toMs ?? 0, fromMs);
  // Nobody can be between such bounds.
  if (fromMs > toMs) return { labels: [], starts: [], endMs: 0, numbers: [], isFromBound, isToBound };
  if (!isCountable(bucket, { fromMs, toMs })) {
    throw problem(
      at,
      `has too many buckets: from ${dateOf(fromMs)} to ${dateOf(toMs)} by the ${bucket}. Take a longer bucket, or set bounds to ${field} in the filter.`,
    );
  }
  return { ...(await seriesOf(bucket, zone, { fromMs, toMs })), isFromBound, isToBound };
}

function dateOf(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? `${ms}` : date.toISOString().slice(0, -"T00:00:00.000Z".length);
}
