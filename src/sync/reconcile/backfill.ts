import { isLockTimeout } from "../../db/connection/trouble.js";
import { buildSearchIndex, dropPutOffIndexes, dropSearchIndex } from "../../db/setup/search-index.js";
import { vacuumTables } from "../../db/setup/statistics.js";
import { fenced } from "../ledger/lease.js";
import { advanceAsOf, keepFirstWatermark, markBackfilled, provedBy } from "../ledger/proof.js";
import { START, saveCheckpoint, type Window } from "../ledger/windows.js";
import { reconcileOrganizations } from "./organizations.js";
import { overWindows, plannedWindows } from "./over-windows.js";
import { planByCounts } from "./plan.js";
import { newestUpdate, prepare } from "./prepare.js";
import type { RunContext } from "./run-context.js";
import { applyUserPage, userPagesOf } from "./user-pages.js";

/**
 * Fills the mirror: reads all of Clerk, window by window, and goes on from the checkpoints of an earlier attempt. What
 * changes in a window that is done already is repaired by the check that follows: its watermark is from before the first
 * window.
 */
export async function runBackfill(run: RunContext): Promise<void> {
  const { sql, clerk, clock, fence, startedAtMs, lagMs } = run;
  await prepare(run);
  const watermark = await newestUpdate(run);
  await fenced(sql, fence, (tx) => keepFirstWatermark(tx, watermark));
  // An empty mirror is loaded without its trigram indexes, which cost four times as much as all the rest, and one that becomes large
  // with keys alone: written one by one, the others would take two thirds of Postgres' time for a user among a hundred thousand.
  const [anybody] = await sql`select from mirror_data.users limit 1`;
  if (!anybody) {
    const isLarge = (run.findings.usersExpected ?? 0) >= run.putOffFrom;
    await fenced(sql, fence, isLarge ? dropPutOffIndexes : dropSearchIndex).catch((error) => {
      if (!isLockTimeout(error)) throw error;
    });
  }
  await overWindows(run, await plannedWindows(run, planByCounts), (window) => loadWindow(run, window));
  await reconcileOrganizations(run);
  await makeFit(run);
  await fenced(sql, fence, async (tx) => {
    await markBackfilled(tx, clock.now());
    await advanceAsOf(tx, provedBy(startedAtMs, { lagMs, offsetMs: clerk.clockOffsetMs() }));
  });
}

/** Loads one window from its checkpoint on. Each page commits together with the checkpoint behind it. */
async function loadWindow(run: RunContext, window: Window): Promise<void> {
  const { sql, runId, fence } = run;
  const at = { runId, what: "users", position: window.position } as const;
  for await (const page of userPagesOf(run, window, window.checkpoint)) {
    await applyUserPage(run, page, (tx) => saveCheckpoint(tx, at, page.checkpoint));
  }
  await fenced(sql, fence, (tx) => saveCheckpoint(tx, at, { ...START, done: true }));
}

/** Makes what searches and lists need to be fast. Without it the mirror is slower, not wrong: a failure is only logged. */
async function makeFit({ unhurried, log, onProgress, signal }: RunContext): Promise<void> {
  onProgress({ phase: "indexing", done: 0, total: null });
  await unhurried((own) => buildSearchIndex(own, "atOnce")).catch((error) =>
    log.warn({ err: error }, "not all indexes can be made: lists or searches are slow until they are"),
  );
  signal.throwIfAborted();
  for (const error of await unhurried(vacuumTables)) {
    log.warn({ err: error }, "a table can't be vacuumed: autovacuum will do so");
  }
}
