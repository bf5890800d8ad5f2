import { feedPosition } from "../../changes/feed.js";
import { fenced } from "../ledger/lease.js";
import { advanceAsOf, provedBy, saveWatermark } from "../ledger/proof.js";
import { reopenWindows } from "../ledger/windows.js";
import type { ConfirmedGone } from "./deletions.js";
import { reconcileOrganizations } from "./organizations.js";
import { closeWindow, overWindows, plannedWindows } from "./over-windows.js";
import { planByOwnUsers } from "./plan.js";
import { newestUpdate, prepare } from "./prepare.js";
import type { RunContext } from "./run-context.js";
import { deleteConfirmed, verifyBounds } from "./verify.js";

/**
 * Compares all of Clerk with the mirror and brings the mirror in line. Asks Clerk about users whom no window has shown,
 * and deletes those whom it doesn't know any more. A dry run changes nothing. Throws `conflict` when PURGE_LIMIT stops it.
 */
export async function runFull(run: RunContext): Promise<void> {
  const { sql, clerk, fence, startedAtMs, lagMs, onProgress } = run;
  await prepare(run);
  const position = await feedPosition(sql);
  const watermark = await newestUpdate(run);
  // An attempt that was interrupted has forgotten whom it found missing: its windows are read again.
  await fenced(sql, fence, (tx) => reopenWindows(tx, run.runId));
  const missing: ConfirmedGone[] = [];
  await overWindows(run, await plannedWindows(run, planByOwnUsers), async (window) => {
    missing.push(...(await verifyBounds(run, window)));
    await closeWindow(run, window);
  });
  onProgress({ phase: "confirming", done: missing.length, total: missing.length });
  await deleteConfirmed(run, missing);
  await reconcileOrganizations(run);
  if (run.kind.dryRun) return;
  await fenced(sql, fence, async (tx) => {
    await saveWatermark(tx, watermark);
    await advanceAsOf(tx, provedBy(startedAtMs, { lagMs, offsetMs: clerk.clockOffsetMs() }), position);
  });
}
