import type { Bounds } from "../ledger/windows.js";
import { countWithin } from "./bounds.js";
import { PAGE_SIZE } from "./clerk-pages.js";
import type { RunContext } from "./run-context.js";

/** Users created from one moment to another, both included (null: without a bound), as counted on both sides. */
export interface Counted {
  fromMs: number | null;
  toMs: number;
  theirs: number;
  ours: number;
}

/**
 * With more places than these, or more questions than a third of what reading everything costs, reading everything is
 * better.
 */
const MOST_PLACES = 20;
const LEAST_QUESTIONS = 32;

/**
 * Finds where the counts differ by halving: one question a level, about log2(users / 500) for one user among so many.
 * Returns the places, each small enough for a page, or null when there are too many of them.
 */
export async function locateDrift(run: RunContext, whole: Counted): Promise<Bounds[] | null> {
  const places: Bounds[] = [];
  const open = [whole];
  const most = Math.max(LEAST_QUESTIONS, Math.floor(whole.theirs / PAGE_SIZE / 3));
  let questions = 0;
  for (let span = open.pop(); span; span = open.pop()) {
    if (span.theirs === span.ours) continue;
    const middleMs = isSmall(span) ? null : await middleOf(run, span);
    if (middleMs === null) places.push(boundsOf(span));
    else open.push(...(await halves(run, span, middleMs)));
    if (middleMs !== null) questions++;
    if (places.length > MOST_PLACES || questions > most) return null;
  }
  return places;
}

const isSmall = ({ theirs, ours, fromMs, toMs }: Counted) =>
  Math.max(theirs, ours) <= PAGE_SIZE || fromMs === toMs;

const boundsOf = ({ fromMs, toMs }: Counted): Bounds => ({
  afterMs: fromMs === null ? null : fromMs - 1,
  beforeMs: toMs + 1,
});

/** Where to split the range: the median creation time of our own users. Null: it can't be split. */
async function middleOf({ sql }: RunContext, span: Counted): Promise<number | null> {
  const { fromMs, toMs, ours, theirs } = span;
  const lowest = fromMs ?? Number.MIN_SAFE_INTEGER;
  if (ours * 2 < theirs) {
    // Clerk has many more users, so ours say little about where they are.
    const start = fromMs ?? 0;
    return start < toMs ? Math.floor((start + toMs) / 2) : null;
  }
  const [median] = await sql<{ at: number }[]>`
    select created_at as at from mirror_data.user_search
    where created_at between ${lowest} and ${toMs}
    order by created_at offset ${Math.floor((ours - 1) / 2)} limit 1`;
  const [first] = await sql<{ at: number | null }[]>`
    select min(created_at) as at from mirror_data.user_search where created_at between ${lowest} and ${toMs}`;
  if (!median || first?.at == null) return null;
  // If half of them share the last moment, they are left to the younger half.
  const middleMs = median.at < toMs ? median.at : toMs - 1;
  return middleMs >= (fromMs ?? first.at) ? middleMs : null;
}

async function halves(run: RunContext, span: Counted, middleMs: number): Promise<Counted[]> {
  const { fromMs, toMs } = span;
  const older = boundsOf({ ...span, toMs: middleMs });
  const [theirs, ours] = await Promise.all([countWithin(run, older), countOurs(run, older)]);
  return [
    { fromMs: middleMs + 1, toMs, theirs: span.theirs - theirs, ours: span.ours - ours },
    { fromMs, toMs: middleMs, theirs, ours },
  ];
}

/** How many users the mirror holds within these bounds, or would hold after a dry run. */
async function countOurs({ sql, findings }: RunContext, bounds: Bounds): Promise<number> {
  const { afterMs, beforeMs } = bounds;
  const lowest = afterMs ?? Number.MIN_SAFE_INTEGER;
  const highest = beforeMs ?? Number.MAX_SAFE_INTEGER;
  const [row] = await sql<{ n: number }[]>`
    select count(*)::bigint as n from mirror_data.user_search
    where created_at > ${lowest} and created_at < ${highest}`;
  return (row?.n ?? 0) + findings.foreseenWithin(bounds);
}
