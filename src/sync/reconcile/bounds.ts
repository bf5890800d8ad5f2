import { fenced } from "../ledger/lease.js";
import type { Bounds } from "../ledger/windows.js";
import { boundsQuery, createdAtOf, PAGE_SIZE } from "./clerk-pages.js";
import type { RunWork } from "./run-context.js";

/** A count may change between two requests; one that is wrong is wrong each time. */
const ATTEMPTS = 3;

/** How many users Clerk counts within these bounds. */
export const countWithin = ({ api, call }: RunWork, bounds: Bounds): Promise<number> =>
  api.countUsers(boundsQuery(bounds), call);

/**
 * Whether this Clerk's lists and counts keep to bounds of `created_at`: nobody is created after and before the same
 * moment, and those on both sides of an existing user add up to all. Some stand-ins ignore the bounds, and then every
 * window would show everybody. What was found is kept; `again` looks anew.
 */
export async function keepsToBounds(work: RunWork, { again = false } = {}): Promise<boolean> {
  const { sql, fence } = work;
  const [known] = await sql<{ keeps_to_bounds: boolean | null }[]>`
    select keeps_to_bounds from mirror_data.upstream`;
  if (!again && known && known.keeps_to_bounds !== null) return known.keeps_to_bounds;
  const keeps = await tryBounds(work);
  if (keeps === null) return false;
  await fenced(sql, fence, (tx) => tx`update mirror_data.upstream set keeps_to_bounds = ${keeps}`);
  return keeps;
}

/** Null: there is nobody to try it with. */
async function tryBounds(work: RunWork): Promise<boolean | null> {
  const { api, call } = work;
  const everybody = await countWithin(work, { afterMs: null, beforeMs: null });
  const offset = Math.floor(everybody / 2);
  const { items } = await api.listUsers({ limit: 1, offset, orderBy: "+created_at" }, call);
  const atMs = createdAtOf(items[0]);
  if (atMs === null) return null;
  const impossible = { afterMs: atMs, beforeMs: atMs };
  if ((await countWithin(work, impossible)) !== 0) return false;
  if ((await api.listUsers({ limit: 1, ...boundsQuery(impossible) }, call)).items.length > 0) return false;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const before = await countWithin(work, { afterMs: null, beforeMs: atMs });
    const after = await countWithin(work, { afterMs: atMs - 1, beforeMs: null });
    if (before + after === (await countWithin(work, { afterMs: null, beforeMs: null }))) return true;
  }
  return false;
}

/** One page shows them all: there is nothing to divide. */
export const fitsOnePage = (users: number) => users <= PAGE_SIZE;
