import { isLockTimeout } from "../../db/connection/trouble.js";
import { buildSearchIndex, dropSearchIndex } from "../../db/setup/search-index.js";
import { vacuumTables } from "../../db/setup/statistics.js";
import { fenced } from "../ledger/lease.js";
import { advanceAsOf, keepFirstWatermark, markBackfilled, provedBy } from "../ledger/proof.js";
import { START, saveCheckpoint, type Window } from "../ledger/windows.js";
import { walkOthers } from "./organizations.js";
import { overWindows, plannedWindows } from "./over-windows.js";
import { planByCounts } from "./plan.js";
import { newestUpdate, prepare } from "./prepare.js";
import type { RunWork } from "./run-context.js";
import { applyWalked, pagesOf } from "./user-pages.js";

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

/** Walks one window of a backfill from its checkpoint on; each page commits with the checkpoint behind it. */
export async function loadWindow(work: RunWork, window: Window): Promise<void> {
  const { runId, fence } = work;
  const at = { runId, what: "users", position: window.position } as const;
  for await (const page of pagesOf(work, window, window.checkpoint)) {
    await applyWalked(work, page, (tx) => saveCheckpoint(tx, at, page.checkpoint));
  }
  await fenced(work.sql, fence, (tx) => saveCheckpoint(tx, at, { ...START, done: true }));
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
