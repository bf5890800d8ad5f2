import { DAY_MS } from "../../lib/days.js";
import { gone } from "../fold/snapshot.js";
import { deletionsSince } from "../ledger/runs.js";
import { type Bounds, START } from "../ledger/windows.js";
import { applyPage } from "./apply-page.js";
import { idOf } from "./clerk-pages.js";
import { type ConfirmedGone, confirmMissing, missingUsers, untilSettled } from "./deletions.js";
import { refusePurge } from "./guards.js";
import { applyOptionsOf, type RunContext } from "./run-context.js";
import { applyUntilUnlocked } from "./until-unlocked.js";
import { applyUserPage, userPagesOf } from "./user-pages.js";

const DELETIONS_PER_BATCH = 500;

/**
 * Reads all users that Clerk shows within these bounds and repairs those who differ. Returns the users who are here and
 * who, as Clerk has confirmed, are gone there: `deleteConfirmed` decides about them.
 */
export async function verifyBounds(run: RunContext, bounds: Bounds): Promise<ConfirmedGone[]> {
  const { sql, clerk, clock, findings } = run;
  const begunAtMs = clock.now();
  const seen = new Set<string>();
  for await (const page of userPagesOf(run, bounds, START)) {
    await applyUserPage(run, page);
    for (const item of page.items) seen.add(idOf(item) ?? "");
  }
  const missing = await missingUsers(sql, seen, bounds, { begunAtMs, nowMs: clock.now() });
  if (missing.length === 0) return [];
  await untilSettled(missing, run);
  const ids = missing.map(({ id }) => id);
  const confirmed = await confirmMissing(clerk, ids, findings.witness);
  for (const page of confirmed.alive) {
    findings.countMissed(await applyPage(sql, "users", page, applyOptionsOf(run)));
  }
  return confirmed.gone;
}

/** Deletes the users whom Clerk doesn't know any more. More than PURGE_LIMIT are only counted: then nobody is deleted. */
export async function deleteConfirmed(run: RunContext, all: readonly ConfirmedGone[]): Promise<void> {
  const { sql, clock, purgeLimit, findings, allowPurge } = run;
  const { dryRun } = run.kind;
  if (all.length === 0) return;
  const before = await deletionsSince(sql, clock.now() - DAY_MS);
  findings.differs(
    "missed_delete",
    all.map(({ id }) => id),
  );
  await findings.save();
  if (dryRun) return;
  if (!allowPurge) await refusePurge(sql, all.length, { purgeLimit, before });
  for (let from = 0; from < all.length; from += DELETIONS_PER_BATCH) {
    const batch = all.slice(from, from + DELETIONS_PER_BATCH);
    const items = batch.map(({ id, startedAtMs }) => ({ users: [gone(id, "refetch", startedAtMs)] }));
    await applyUntilUnlocked(sql, items, applyOptionsOf(run));
  }
}
