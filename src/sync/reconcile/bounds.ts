import { fenced } from "../ledger/lease.js";
import { boundsQuery, createdAtOf, PAGE_SIZE, type UserBounds } from "./clerk-pages.js";
import type { RunContext } from "./run-context.js";

/** A count may change between two requests. A Clerk that ignores bounds is wrong each time. */
const ATTEMPTS = 3;

/** How many users Clerk counts within these bounds. */
export const countWithin = ({ clerk }: RunContext, bounds: UserBounds): Promise<number> =>
  clerk.countUsers(boundsQuery(bounds));

/**
 * Whether this Clerk's lists and counts respect bounds of `created_at`: a range that ends where it begins must be
 * empty, and the users on both sides of an existing user must add up to all. Some stand-ins ignore bounds, and every
 * window would show everybody. The answer is kept; `again` finds it out anew.
 */
export async function keepsToBounds(run: RunContext, { again = false } = {}): Promise<boolean> {
  const { sql, fence } = run;
  const [known] = await sql<{ keeps_to_bounds: boolean | null }[]>`
    select keeps_to_bounds from mirror_data.upstream`;
  if (!again && known && known.keeps_to_bounds !== null) return known.keeps_to_bounds;
  const keeps = await tryBounds(run);
  if (keeps === null) return false;
  await fenced(sql, fence, (tx) => tx`update mirror_data.upstream set keeps_to_bounds = ${keeps}`);
  return keeps;
}

/** Null if there is no user to try it with. */
async function tryBounds(run: RunContext): Promise<boolean | null> {
  const { clerk } = run;
  const everybody = await countWithin(run, { afterMs: null, beforeMs: null });
  const offset = Math.floor(everybody / 2);
  const { items } = await clerk.listUsers({ limit: 1, offset, orderBy: "+created_at" });
  const atMs = createdAtOf(items[0]);
  if (atMs === null) return null;
  const impossible = { afterMs: atMs, beforeMs: atMs };
  if ((await countWithin(run, impossible)) !== 0) return false;
  if ((await clerk.listUsers({ limit: 1, ...boundsQuery(impossible) })).items.length > 0) return false;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const before = await countWithin(run, { afterMs: null, beforeMs: atMs });
    const after = await countWithin(run, { afterMs: atMs - 1, beforeMs: null });
    if (before + after === (await countWithin(run, { afterMs: null, beforeMs: null }))) return true;
  }
  return false;
}

/** One page shows all of them: there is nothing to divide. */
export const fitsOnePage = (users: number) => users <= PAGE_SIZE;
