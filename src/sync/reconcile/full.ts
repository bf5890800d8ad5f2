import { userCount } from "../../changes/counters.js";
import { feedPosition } from "../../changes/feed.js";
import { isLockTimeout } from "../../db/connection/trouble.js";
import { buildSearchIndex, dropSearchIndex } from "../../db/setup/search-index.js";
import { vacuumTables } from "../../db/setup/statistics.js";
import { fenced } from "../ledger/lease.js";
import {
  advanceAsOf,
  advanceMembershipsAsOf,
  keepFirstWatermark,
  markBackfilled,
  provedBy,
  saveCounted,
  saveWatermark,
} from "../ledger/proof.js";
import {
  EVERYBODY,
  loadWindows,
  reopenWindows,
  START,
  saveCheckpoint,
  saveWindows,
  type Window,
} from "../ledger/windows.js";
import { countWithin, keepsToBounds } from "./bounds.js";
import { updatedAtOf } from "./clerk-pages.js";
import type { Gone } from "./deletions.js";
import { refuseWrongInstance } from "./guards.js";
import { walkMemberships, walkOrganizations } from "./organizations.js";
import { planByCounts, planByOwnUsers } from "./plan.js";
import type { RunWork } from "./run-context.js";
import { deleteGone, loadWindow, overWindows, verifyBounds } from "./verify.js";

/**
 * Fills the mirror: reads all of Clerk, window by window, and goes on from the checkpoints of an earlier attempt. What
 * moves into a window that is done already is healed by the check that follows: its watermark is from before the first.
 */
export async function runBackfill(work: RunWork): Promise<void> {
  const { sql, api, clock, fence, startedAtMs, lagMs } = work;
  await prepare(work);
  const watermark = await newestUpdate(work);
  await fenced(sql, fence, (tx) => keepFirstWatermark(tx, watermark));
  // An empty mirror is loaded without its trigram index, which costs four times as much as all the rest.
  const [anybody] = await sql`select from mirror_data.users limit 1`;
  if (!anybody) {
    await fenced(sql, fence, dropSearchIndex).catch((error) => {
      if (!isLockTimeout(error)) throw error;
    });
  }
  await overWindows(work, await plannedWindows(work, planByCounts), (window) => loadWindow(work, window));
  await walkOthers(work);
  await makeFit(work);
  await fenced(sql, fence, async (tx) => {
    await markBackfilled(tx, clock.now());
    await advanceAsOf(tx, provedBy(startedAtMs, { lagMs, offsetMs: api.clockOffsetMs() }));
  });
}

/** Without this the mirror is slower, and not wrong: what fails is no reason to read everything again. */
async function makeFit({ unhurried, log, onProgress, signal }: RunWork): Promise<void> {
  onProgress({ phase: "indexing", done: 0, total: null });
  await unhurried((own) => buildSearchIndex(own, "atOnce")).catch((error) =>
    log.warn({ err: error }, "the search index can't be made: searches are slow until it is"),
  );
  signal.throwIfAborted();
  for (const error of await unhurried(vacuumTables)) {
    log.warn({ err: error }, "a table can't be vacuumed: autovacuum will do so");
  }
}

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

/** What every walk of everything begins with. */
export async function prepare(work: RunWork): Promise<void> {
  const { sql, api, call, clock, fence, tally } = work;
  await refuseWrongInstance(sql, api, call);
  await keepsToBounds(work, { again: true });
  const theirs = await countWithin(work, EVERYBODY);
  const ours = await userCount(sql);
  await fenced(sql, fence, (tx) => saveCounted(tx, { theirs, ours }, clock.now()));
  tally.expected = theirs;
  await tally.save();
}

/** The windows of this run, planned once. */
export async function plannedWindows(
  work: RunWork,
  plan: (work: RunWork) => Promise<Window[]>,
): Promise<Window[]> {
  const { sql, fence, runId } = work;
  const windows = await loadWindows(sql, runId);
  if (windows.length > 0) return windows;
  const planned = await plan(work);
  await fenced(sql, fence, (tx) => saveWindows(tx, runId, planned));
  return planned;
}

export async function closeWindow({ sql, fence, runId }: RunWork, { position }: Window): Promise<void> {
  const at = { runId, what: "users", position } as const;
  await fenced(sql, fence, (tx) => saveCheckpoint(tx, at, { ...START, done: true }));
}

/** Organizations and memberships have no count to compare: only walking all of them proves anything. */
export async function walkOthers(work: RunWork): Promise<void> {
  const { sql, api, clock, fence, lagMs, mode } = work;
  // A backfill goes on from checkpoints that may be as old as it is.
  const begunAtMs = mode === "backfill" ? work.startedAtMs : clock.now();
  await walkOrganizations(work, begunAtMs);
  await walkMemberships(work, begunAtMs);
  await work.tally.save();
  if (!work.dryRun)
    await fenced(sql, fence, (tx) =>
      advanceMembershipsAsOf(tx, provedBy(begunAtMs, { lagMs, offsetMs: api.clockOffsetMs() })),
    );
}

/** The newest `updated_at` that Clerk shows; 0 where there is nobody. */
async function newestUpdate({ api, call }: RunWork): Promise<number> {
  const { items } = await api.listUsers({ limit: 1, orderBy: "-updated_at" }, call);
  return updatedAtOf(items[0]) ?? 0;
}
