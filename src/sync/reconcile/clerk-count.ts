import { feedPosition } from "../../changes/feed.js";
import { countWithin } from "./bounds.js";
import { boundsQuery, type UserBounds } from "./clerk-pages.js";
import type { RunContext } from "./run-context.js";

export interface ClerkCount {
  /** Clerk's count, less the deleted users whom it still counts. */
  theirs: number;
  /** How many deleted users Clerk still counts. Null: too many to ask about, or Clerk doesn't count by id. */
  lingering: number | null;
  /** Where the feed stood before Clerk was asked. */
  position: number;
}

/**
 * Clerk's counts trail its deletions: a user who was just deleted and is still counted would hide a missed deletion.
 * So these are counted first: whoever still counts among all did so then.
 */
export async function countAtClerk(run: RunContext, bounds: UserBounds): Promise<ClerkCount> {
  const position = await feedPosition(run.sql);
  const lingering = await countLingering(run, bounds);
  return { theirs: (await countWithin(run, bounds)) - (lingering ?? 0), lingering, position };
}

/** How many ids Clerk takes in one question, and how many are worth asking about. */
const IDS_PER_COUNT = 100;
const MOST_LINGERING = 1000;

async function countLingering({ sql, clerk, clock, lagMs }: RunContext, bounds: UserBounds) {
  // Twice the lag, because a refetch dates a deletion by when its request began, and a webhook by Clerk's clock.
  const sinceMs = clock.now() + Math.min(0, clerk.clockOffsetMs()) - 2 * lagMs;
  const rows = await sql<{ id: string }[]>`
    select id from mirror_data.users where deleted_at > ${sinceMs}
    order by id limit ${MOST_LINGERING + 1}`;
  if (rows.length > MOST_LINGERING) return null;
  let counted = 0;
  for (let from = 0; from < rows.length; from += IDS_PER_COUNT) {
    const userIds = rows.slice(from, from + IDS_PER_COUNT).map(({ id }) => id);
    counted += await clerk.countUsers({ ...boundsQuery(bounds), userIds });
  }
  return counted > rows.length ? null : counted;
}
