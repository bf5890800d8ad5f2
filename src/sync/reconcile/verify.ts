import { gone } from "../fold/snapshot.js";
import { deletionsSince } from "../ledger/runs.js";
import { type Bounds, START } from "../ledger/windows.js";
import { applyPage } from "./apply-page.js";
import { idOf } from "./clerk-pages.js";
import { confirmMissing, type Gone, missingUsers, untilSettled } from "./deletions.js";
import { refusePurge } from "./guards.js";
import type { RunWork } from "./run-context.js";
import { applyUntilUnlocked } from "./until-unlocked.js";
import { applyWalked, pagesOf } from "./user-pages.js";

const DELETIONS_PER_BATCH = 500;
const DAY_MS = 86_400_000;

/**
 * Reads all that Clerk shows within these bounds, repairs what differs, and returns those who are here and whom Clerk
 * has confirmed to be gone: `deleteGone` decides about them.
 */
export async function verifyBounds(work: RunWork, bounds: Bounds): Promise<Gone[]> {
  const { sql, api, call, clock, tally, signal } = work;
  const begunAtMs = clock.now();
  const seen = new Set<string>();
  for await (const page of pagesOf(work, bounds, START)) {
    await applyWalked(work, page);
    for (const item of page.items) seen.add(idOf(item) ?? "");
  }
  const missing = await missingUsers(sql, seen, bounds, { begunAtMs, nowMs: clock.now() });
  if (missing.length === 0) return [];
  await untilSettled(missing, work, signal);
  const ids = missing.map(({ id }) => id);
  const confirmed = await confirmMissing(api, ids, work.witness, call);
  for (const page of confirmed.alive) tally.count(await applyPage(sql, "users", page, work));
  return confirmed.gone;
}

/** Deletes those whom Clerk doesn't know any more, all or, beyond PURGE_LIMIT, none: then they are only counted. */
export async function deleteGone(work: RunWork, all: readonly Gone[]): Promise<void> {
  const { sql, clock, purgeLimit, tally, dryRun, lagMs, fence, signal } = work;
  if (all.length === 0) return;
  const before = await deletionsSince(sql, clock.now() - DAY_MS);
  tally.differs(
    "missed_delete",
    all.map(({ id }) => id),
  );
  await tally.save();
  if (!work.allowPurge && !dryRun) await refusePurge(sql, all.length, { purgeLimit, before });
  for (let from = 0; from < all.length && !dryRun; from += DELETIONS_PER_BATCH) {
    const batch = all.slice(from, from + DELETIONS_PER_BATCH);
    const items = batch.map(({ id, startedAtMs }) => ({ users: [gone(id, "refetch", startedAtMs)] }));
    await applyUntilUnlocked(sql, items, { lagMs, fence, signal });
  }
}
