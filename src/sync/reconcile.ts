import type { Database } from "../db/client.js";
import type { Clock } from "../db/clock.js";
import { analyzeTables, dropSearchIndex, ensureSearchIndex } from "../db/search-index.js";
import type { Logger } from "../observability/logger.js";
import type { Call } from "../upstream/client.js";
import type { ClerkApi } from "../upstream/users.js";
import { applyItems } from "./apply.js";
import { advanceAsOf, keepFirstWatermark, markBackfilled, saveWatermark } from "./completeness.js";
import { confirmMissing, missingUsers, untilSettled } from "./deletions.js";
import { refusePurge, refuseWrongInstance } from "./guards.js";
import { walkMemberships, walkOrganizations } from "./organization-walk.js";
import { applyPage } from "./pages.js";
import { createTally, type RunTally } from "./run-tally.js";
import type { OnProgress, RunMode } from "./runs.js";
import { gone } from "./snapshot.js";
import { idOf, updatedAtOf, walkUsers } from "./walk.js";
import { loadCheckpoint, START, saveCheckpoint } from "./windows.js";

export interface ReconcileParts {
  database: Pick<Database, "sql">;
  api: ClerkApi;
  clock: Pick<Clock, "now">;
  /** How many requests Clerk was sent so far. */
  requests: () => number;
  lagMs: number;
  purgeLimit: number;
  log: Logger;
}

export interface RunOptions {
  id: string;
  mode: RunMode;
  allowPurge: boolean;
  signal: AbortSignal;
  onProgress: OnProgress;
}

/** One run under way. */
interface Run {
  parts: ReconcileParts;
  options: RunOptions;
  call: Call;
  tally: RunTally;
  startedAtMs: number;
  isBackfill: boolean;
  dryRun: boolean;
}

const DELETIONS_PER_BATCH = 500;

/**
 * Walks all of Clerk and brings the mirror in line. A backfill goes on from its checkpoints; a full run also asks about
 * whom the walk has not shown, and deletes those whom Clerk doesn't know any more. Every step is safe to repeat.
 * Throws `conflict` when PURGE_LIMIT stops it.
 */
export async function runWalk(parts: ReconcileParts, options: RunOptions): Promise<void> {
  const { api, clock, lagMs, log } = parts;
  const { id: runId, mode, signal, onProgress } = options;
  const { sql } = parts.database;
  const call: Call = { priority: "walk", signal };
  const run: Run = {
    ...{ parts, options, call, startedAtMs: clock.now() },
    tally: createTally(sql, runId, parts.requests),
    isBackfill: mode === "backfill",
    dryRun: mode === "dry_run",
  };
  const { startedAtMs, tally, isBackfill, dryRun } = run;

  await refuseWrongInstance(sql, api, call);
  const watermark = await newestUpdate(api, call);
  if (isBackfill) await prepareLoad(run, watermark);
  tally.expected = await api.countUsers({}, call);
  const shown = await walkAllUsers(run);
  if (isBackfill) await finishLoad(run);
  else await deleteMissing(run, shown);
  const others = { sql, api, clock, lagMs, log, runId, startedAtMs, mode, call, onProgress };
  await walkOrganizations(others);
  await walkMemberships(others);
  await tally.save();
  if (dryRun) return;
  if (isBackfill) await markBackfilled(sql, clock.now());
  else await saveWatermark(sql, watermark);
  await advanceAsOf(sql, startedAtMs - lagMs);
}

/** The newest `updated_at` that Clerk shows; 0 where there is nobody. */
async function newestUpdate(api: ClerkApi, call: Call): Promise<number> {
  const { items } = await api.listUsers({ limit: 1, orderBy: "-updated_at" }, call);
  return updatedAtOf(items[0]) ?? 0;
}

/** An empty mirror is loaded without its trigram index, which costs four times as much as all the rest. */
async function prepareLoad({ parts }: Run, watermark: number): Promise<void> {
  const { sql } = parts.database;
  await keepFirstWatermark(sql, watermark);
  const [anybody] = await sql`select from mirror_data.users limit 1`;
  if (!anybody) await dropSearchIndex(sql);
}

async function finishLoad({ parts, options }: Run): Promise<void> {
  options.onProgress({ phase: "indexing", done: 0, total: null });
  await ensureSearchIndex(parts.database.sql);
  await analyzeTables(parts.database.sql);
}

interface Shown {
  /** The ids that a full run was shown. */
  seen: Set<string>;
  /** The last of them: somebody who is certainly there. */
  witness: string | null;
}

async function walkAllUsers(run: Run): Promise<Shown> {
  const { parts, options, call, tally, isBackfill, dryRun } = run;
  const { api, lagMs } = parts;
  const { id: runId, onProgress, signal } = options;
  const { sql } = parts.database;
  const shown: Shown = { seen: new Set(), witness: null };
  const start = isBackfill ? await loadCheckpoint(sql, runId, "users") : START;
  if (start.done) return shown;
  onProgress({ phase: "users", done: 0, total: tally.expected });
  for await (const page of walkUsers(api, start, call)) {
    signal.throwIfAborted();
    const within = (tx: Parameters<typeof saveCheckpoint>[0]) =>
      saveCheckpoint(tx, runId, "users", page.checkpoint);
    const effects = await applyPage(sql, "users", page, { lagMs, dryRun, within });
    if (!isBackfill) {
      tally.count(effects);
      for (const item of page.items) shown.seen.add(idOf(item) ?? "");
    }
    shown.witness = idOf(page.items.at(-1)) ?? shown.witness;
    tally.seen += page.items.length;
    await tally.save();
    onProgress({ phase: "users", done: tally.seen, total: tally.expected });
  }
  return shown;
}

/** Those whom the walk has not shown; only Clerk's answer about them deletes. */
async function deleteMissing(run: Run, { seen, witness }: Shown): Promise<void> {
  const { parts, options, call, tally, startedAtMs, dryRun } = run;
  const { api, clock, lagMs, purgeLimit } = parts;
  const { sql } = parts.database;
  const missing = await missingUsers(sql, seen, startedAtMs);
  if (missing.length === 0) return;
  options.onProgress({ phase: "confirming", done: 0, total: missing.length });
  await untilSettled(missing, parts, options.signal);
  const ids = missing.map(({ id }) => id);
  const { gone: deleted, alive } = await confirmMissing(api, ids, witness, call);
  for (const page of alive) tally.count(await applyPage(sql, "users", page, { lagMs, dryRun }));
  if (!options.allowPurge) await refusePurge(sql, deleted.length, { purgeLimit, nowMs: clock.now() });
  for (let from = 0; from < deleted.length && !dryRun; from += DELETIONS_PER_BATCH) {
    const batch = deleted.slice(from, from + DELETIONS_PER_BATCH);
    const users = batch.map(({ id, startedAtMs: askedAtMs }) => gone(id, "refetch", askedAtMs));
    await applyItems(sql, [{ users }], { lagMs });
  }
  tally.differences.missed_delete += deleted.length;
  await tally.save();
  options.onProgress({ phase: "confirming", done: missing.length, total: missing.length });
}
