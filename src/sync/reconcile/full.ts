import { feedPosition } from "../../changes/feed.js";
import { fenced } from "../ledger/lease.js";
import { advanceAsOf, provedBy, saveWatermark } from "../ledger/proof.js";
import { reopenWindows } from "../ledger/windows.js";
import type { Gone } from "./deletions.js";
import { walkOthers } from "./organizations.js";
import { closeWindow, overWindows, plannedWindows } from "./over-windows.js";
import { planByOwnUsers } from "./plan.js";
import { newestUpdate, prepare } from "./prepare.js";
import type { RunWork } from "./run-context.js";
import { deleteGone, verifyBounds } from "./verify.js";

/**
 * Compares all of Clerk with the mirror and brings it in line; asks about whom the windows have not shown, and deletes
 * those whom Clerk doesn't know any more. A dry run changes nothing. Throws `conflict` when PURGE_LIMIT stops it.
 */
export async function runFull(work: RunWork): Promise<void> {
  const { sql, api, fence, startedAtMs, lagMs, onProgress } = work;
  await prepare(work);
  const position = await feedPosition(sql);
  const watermark = await newestUpdate(work);
  // Who was found missing by an attempt that was interrupted is forgotten with it: its windows are read again.
  await fenced(sql, fence, (tx) => reopenWindows(tx, work.runId));
  const missing: Gone[] = [];
  await overWindows(work, await plannedWindows(work, planByOwnUsers), async (window) => {
    missing.push(...(await verifyBounds(work, window)));
    await closeWindow(work, window);
  });
  onProgress({ phase: "confirming", done: missing.length, total: missing.length });
  await deleteGone(work, missing);
  await walkOthers(work);
  if (work.dryRun) return;
  await fenced(sql, fence, async (tx) => {
    await saveWatermark(tx, watermark);
    await advanceAsOf(tx, provedBy(startedAtMs, { lagMs, offsetMs: api.clockOffsetMs() }), position);
  });
}
