import type { Sql } from "../db/client.js";
import type { Call } from "../upstream/client.js";
import { advanceAsOf, loadProof, saveWatermark } from "./completeness.js";
import { refuseWrongInstance } from "./guards.js";
import { applyPage } from "./pages.js";
import type { ReconcileParts, RunOptions } from "./reconcile.js";
import { createTally } from "./run-tally.js";
import { updatedAtOf, walkByOffset } from "./walk.js";
import { START } from "./windows.js";

/** What an incremental run ends with; the last two ask for a walk of everything. */
export type IncrementalEnd = "complete" | "counts_differ" | "too_much";

/** More changed than this many pages show: a walk of everything costs no more and also finds deletions. */
const MOST_PAGES = 20;

/**
 * Reads what changed since the last successful walk: Clerk's users by `-updated_at`, back to the newest `updated_at`
 * that Clerk itself had shown then, never one learnt from webhooks, which says nothing about what came before it.
 * Then compares the counts of all users created before the freshest ones. Safe to repeat.
 */
export async function runIncremental(parts: ReconcileParts, options: RunOptions): Promise<IncrementalEnd> {
  const { api, clock, lagMs } = parts;
  const { sql } = parts.database;
  const { id: runId, signal } = options;
  const call: Call = { priority: "repair", signal };
  const tally = createTally(sql, runId, parts.requests);
  const startedAtMs = clock.now();
  const { watermark, asOfMs } = await loadProof(sql);
  await refuseWrongInstance(sql, api, call);
  if (watermark === null) return "too_much";

  const list = (query: { limit: number; offset: number }) =>
    api.listUsers({ ...query, orderBy: "-updated_at" }, call);
  let newest: number | null = null;
  let pages = 0;
  for await (const page of walkByOffset(list, START)) {
    signal.throwIfAborted();
    newest ??= updatedAtOf(page.items[0]);
    tally.count(await applyPage(sql, "users", page, { lagMs }));
    tally.seen += page.items.length;
    const oldest = updatedAtOf(page.items.at(-1));
    // Clerk's lists trail its writes: what was written just before the watermark may have come into them since.
    if (oldest === null || oldest < watermark - lagMs) break;
    if (++pages === MOST_PAGES) return "too_much";
  }
  const isSame = await countsAgree(sql, parts, startedAtMs - lagMs, call);
  await tally.save();
  if (newest !== null) await saveWatermark(sql, newest);
  if (!isSame) return "counts_differ";
  // A proof by induction: only what was proved up to the watermark is now proved up to here.
  if (asOfMs !== null) await advanceAsOf(sql, startedAtMs - lagMs);
  return "complete";
}

/** Whether as many users were created before then here as at Clerk. */
async function countsAgree(
  sql: Sql,
  { api }: ReconcileParts,
  beforeMs: number,
  call: Call,
): Promise<boolean> {
  const theirs = await api.countUsers({ createdAtBefore: beforeMs }, call);
  const [ours] = await sql<{ n: number }[]>`
    select count(*)::bigint as n from mirror_data.user_search where created_at < ${beforeMs}`;
  return ours?.n === theirs;
}
