import type { Database, Sql } from "../db/client.js";
import type { Clock } from "../db/clock.js";
import { analyzeTables, dropSearchIndex, ensureSearchIndex } from "../db/search-index.js";
import { AppError } from "../lib/errors.js";
import type { Logger } from "../observability/logger.js";
import type { Call } from "../upstream/client.js";
import type { ClerkApi } from "../upstream/users.js";
import { applyItems } from "./apply.js";
import { advanceAsOf, markBackfilled } from "./completeness.js";
import { confirmMissing, knownUsers, missingUsers, untilSettled } from "./deletions.js";
import { walkMemberships, walkOrganizations } from "./organization-walk.js";
import { applyPage, type PageEffects } from "./pages.js";
import { deletionsSince, type OnProgress, type RunMode, type RunProgress, saveProgress } from "./runs.js";
import { gone } from "./snapshot.js";
import { idOf, walkUsers } from "./walk.js";
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

/** Reconciles that together delete no more users than this need no asking, however small the mirror. */
const PURGE_AT_LEAST = 20;
const DAY_MS = 86_400_000;

/**
 * Walks all of Clerk and brings the mirror in line. A backfill goes on from its checkpoints; a full run also asks about
 * whom the walk has not shown, and deletes those whom Clerk doesn't know any more. Every step is safe to repeat.
 * Throws `conflict` when PURGE_LIMIT stops it.
 */
export async function runWalk(parts: ReconcileParts, options: RunOptions): Promise<void> {
  const { database, api, clock, lagMs } = parts;
  const { id: runId, mode, signal, onProgress } = options;
  const { sql } = database;
  const call: Call = { priority: "walk", signal };
  const startedAtMs = clock.now();
  const isBackfill = mode === "backfill";
  const dryRun = mode === "dry_run";

  await refuseWrongInstance(sql, api, call);
  const isFreshLoad = isBackfill && (await isEmpty(sql));
  if (isFreshLoad) await dropSearchIndex(sql);

  const requestsBefore = parts.requests();
  const progress: RunProgress = {
    seen: 0,
    expected: await api.countUsers({}, call),
    differences: { missed_create: 0, missed_update: 0, missed_delete: 0 },
    requests: 0,
  };
  const seen = new Set<string>();
  let witness: string | null = null;

  function count(effects: PageEffects): void {
    if (isBackfill) return;
    for (const effect of effects.values()) {
      if (effect === "created") progress.differences.missed_create++;
      if (effect === "updated") progress.differences.missed_update++;
    }
  }

  async function save(): Promise<void> {
    progress.requests = parts.requests() - requestsBefore;
    await saveProgress(sql, runId, progress);
  }

  async function users(): Promise<void> {
    const start = isBackfill ? await loadCheckpoint(sql, runId, "users") : START;
    if (start.done) return;
    onProgress({ phase: "users", done: 0, total: progress.expected });
    for await (const page of walkUsers(api, start, call)) {
      signal.throwIfAborted();
      const effects = await applyPage(sql, "users", page, {
        lagMs,
        dryRun,
        within: (tx) => saveCheckpoint(tx, runId, "users", page.checkpoint),
      });
      count(effects);
      progress.seen += page.items.length;
      witness = idOf(page.items.at(-1)) ?? witness;
      if (!isBackfill) for (const item of page.items) seen.add(idOf(item) ?? "");
      await save();
      onProgress({ phase: "users", done: progress.seen, total: progress.expected });
    }
  }

  /** Those whom the walk has not shown; only Clerk's answer about them deletes. */
  async function deletions(): Promise<void> {
    const missing = await missingUsers(sql, seen, startedAtMs);
    if (missing.length === 0) return;
    onProgress({ phase: "confirming", done: 0, total: missing.length });
    await untilSettled(missing, parts, signal);
    const confirmed = await confirmMissing(
      api,
      missing.map(({ id }) => id),
      witness,
      call,
    );
    for (const page of confirmed.alive) count(await applyPage(sql, "users", page, { lagMs, dryRun }));
    if (!options.allowPurge) await refusePurge(sql, confirmed.gone.length, parts.purgeLimit, clock.now());
    progress.differences.missed_delete += confirmed.gone.length;
    if (!dryRun) {
      for (let from = 0; from < confirmed.gone.length; from += 500) {
        const users = confirmed.gone
          .slice(from, from + 500)
          .map(({ id, startedAtMs: askedAtMs }) => gone(id, "refetch", askedAtMs));
        await applyItems(sql, [{ users }], { lagMs });
      }
    }
    await save();
    onProgress({ phase: "confirming", done: missing.length, total: missing.length });
  }

  await users();
  if (isBackfill) {
    onProgress({ phase: "indexing", done: 0, total: null });
    await ensureSearchIndex(sql);
    if (isFreshLoad) await analyzeTables(sql);
  } else await deletions();
  const others = { sql, api, clock, lagMs, log: parts.log, runId, startedAtMs, mode, call, onProgress };
  await walkOrganizations(others);
  await walkMemberships(others);
  await save();
  if (dryRun) return;
  if (isBackfill) await markBackfilled(sql, clock.now());
  await advanceAsOf(sql, startedAtMs - lagMs);
}

/** A key of another instance would turn every user of this one into a deletion: somebody known must still be there. */
async function refuseWrongInstance(sql: Sql, api: ClerkApi, call: Call): Promise<void> {
  const known = await knownUsers(sql);
  for (const id of known) {
    if ((await api.getUser(id, call)).kind === "live") return;
  }
  if (known.length === 0) return;
  throw new AppError(
    "configuration",
    `None of ${known.length} users known here exists in the Clerk that CLERK_SECRET_KEY and CLERK_API_URL lead to: ` +
      "it must be another instance. Nothing was changed.",
  );
}

async function isEmpty(sql: Sql): Promise<boolean> {
  const [row] = await sql`select from mirror_data.users limit 1`;
  return row === undefined;
}

/** Stops what looks like an accident upstream, or like another instance, before it deletes. */
async function refusePurge(sql: Sql, deleting: number, purgeLimit: number, nowMs: number): Promise<void> {
  const before = await deletionsSince(sql, nowMs - DAY_MS);
  const [row] = await sql<{ n: number }[]>`select n from mirror_data.counters where name = 'users'`;
  const total = (row?.n ?? 0) + before;
  const together = deleting + before;
  if (together <= PURGE_AT_LEAST || together <= purgeLimit * total) return;
  throw new AppError(
    "conflict",
    `${deleting} users are gone from Clerk (with ${before} in the last 24 hours that is ${together} of ${total}), more ` +
      "than PURGE_LIMIT lets a reconcile delete by itself. Nobody was deleted. If it is meant: " +
      "`user-mirror reconcile --full --allow-purge`.",
  );
}
