import type { Tx } from "../../db/connection/sql.js";
import { AppError } from "../../lib/errors.js";
import type { Page } from "../../upstream/users.js";
import type { Item } from "../apply/batch.js";
import { gone } from "../fold/snapshot.js";
import { fenced } from "../ledger/lease.js";
import { advanceMembershipsAsOf, provedBy } from "../ledger/proof.js";
import { loadCheckpoint, START, saveCheckpoint } from "../ledger/windows.js";
import { applyPage } from "./apply-page.js";
import { idOf, walkByOffset } from "./clerk-pages.js";
import {
  type MissingMembership,
  missingMemberships,
  missingOrganizations,
  untilSettled,
} from "./deletions.js";
import type { RunWork } from "./run-context.js";
import { applyUntilUnlocked } from "./until-unlocked.js";

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

/** Walks all organizations, from `begunAtMs` on; a full run then asks about those it was not shown. */
async function walkOrganizations(walk: RunWork, begunAtMs: number): Promise<void> {
  const { sql, api, call } = walk;
  const seen = await walkList(walk, "organizations", (query) => api.listOrganizations(query, call));
  if (!seen || walk.mode !== "full") return;
  const missing = await missingOrganizations(sql, seen, { begunAtMs, nowMs: walk.clock.now() });
  await untilSettled(missing, walk, call.signal);
  for (const { id } of missing) {
    const answer = await api.getOrganization(id, call);
    if (answer.kind === "gone") {
      await applyUntilUnlocked(sql, [{ organizations: [gone(id, "refetch", answer.startedAtMs)] }], walk);
    } else
      await applyPage(
        sql,
        "organizations",
        { items: [answer.object], startedAtMs: answer.startedAtMs },
        walk,
      );
  }
}

/** The same for memberships. */
async function walkMemberships(walk: RunWork, begunAtMs: number): Promise<void> {
  const { sql, api, call } = walk;
  const seen = await walkList(walk, "memberships", (query) => api.listMemberships(query, call));
  if (!seen || walk.mode !== "full") return;
  const missing = await missingMemberships(sql, seen, { begunAtMs, nowMs: walk.clock.now() });
  await untilSettled(missing, walk, call.signal);
  for (const membership of missing) await confirmMembership(walk, membership);
}

/** The ids that the list showed, or null where it was not walked to its end now: there is none, or it is done already. */
async function walkList(
  walk: RunWork,
  what: "organizations" | "memberships",
  list: (query: { limit: number; offset: number; orderBy: string }) => Promise<Page>,
): Promise<Set<string> | null> {
  const { sql, runId, lagMs, fence, dryRun, signal, onProgress } = walk;
  const start = walk.mode === "backfill" ? await loadCheckpoint(sql, runId, what) : START;
  if (start.done) return null;
  const seen = new Set<string>();
  let total: number | null = null;
  const counted = async (query: { limit: number; offset: number }) => {
    // Oldest first: what is created meanwhile comes behind us.
    const page = await list({ ...query, orderBy: "+created_at" });
    total = page.totalCount;
    return page;
  };
  try {
    for await (const page of walkByOffset(counted, start)) {
      walk.call.signal?.throwIfAborted();
      const within = (tx: Tx) => saveCheckpoint(tx, { runId, what }, page.checkpoint);
      await applyPage(sql, what, page, { lagMs, fence, dryRun, signal, within });
      for (const item of page.items) seen.add(idOf(item) ?? "");
      onProgress({ phase: what, done: seen.size, total });
    }
    return seen;
  } catch (error) {
    // An instance without organizations refuses their lists.
    if (!hasNone(error)) throw error;
    walk.log.info({ reason: error.message }, `Clerk has no ${what} here`);
    await fenced(sql, fence, (tx) => saveCheckpoint(tx, { runId, what }, { ...start, done: true }));
    return null;
  }
}

function hasNone(error: unknown): error is AppError {
  return error instanceof AppError && error.code === "upstream_refused" && NONE.has(error.meta?.status);
}

/** What Clerk answers where organizations are off, or not part of the plan. */
const NONE = new Set<unknown>([402, 403, 404]);

async function confirmMembership(walk: RunWork, missing: MissingMembership): Promise<void> {
  const { sql, api, call } = walk;
  const { id, organizationId, userId } = missing;
  try {
    const query = { userIds: [userId], limit: 100, offset: 0 };
    const page = await api.listOrganizationMemberships(organizationId, query, call);
    if (page.items.some((item) => idOf(item) === id)) await applyPage(sql, "memberships", page, walk);
    else await applyUntilUnlocked(sql, [{ memberships: [gone(id, "refetch", page.startedAtMs)] }], walk);
  } catch (error) {
    if (!(error instanceof AppError && error.clerkCode === "resource_not_found")) throw error;
    const answer = await api.getOrganization(organizationId, call);
    if (answer.kind === "live") throw error;
    // It takes its memberships along: a tombstone of their own would outlast its return.
    const item: Item = { organizations: [gone(organizationId, "refetch", answer.startedAtMs)] };
    await applyUntilUnlocked(sql, [item], walk);
  }
}
