import type { Tx } from "../../db/connection/sql.js";
import { AppError } from "../../lib/errors.js";
import type { Page } from "../../upstream/users.js";
import type { Item } from "../apply/batch.js";
import { gone } from "../fold/snapshot.js";
import { fenced } from "../ledger/lease.js";
import { advanceMembershipsAsOf, provedBy } from "../ledger/proof.js";
import { loadCheckpoint, START, saveCheckpoint } from "../ledger/windows.js";
import { applyPage } from "./apply-page.js";
import { idOf, pagesByOffset } from "./clerk-pages.js";
import {
  type MissingMembership,
  missingMemberships,
  missingOrganizations,
  untilSettled,
} from "./deletions.js";
import { applyOptionsOf, type RunContext } from "./run-context.js";
import { applyUntilUnlocked } from "./until-unlocked.js";

/** Organizations and memberships have no count to compare, so only reading all of them proves anything. */
export async function reconcileOrganizations(run: RunContext): Promise<void> {
  const { sql, clerk, clock, fence, lagMs, kind } = run;
  // A backfill continues from checkpoints that may be as old as it is.
  const begunAtMs = kind.task === "fill" ? run.startedAtMs : clock.now();
  await readOrganizations(run, begunAtMs);
  await readMemberships(run, begunAtMs);
  await run.findings.save();
  if (!kind.dryRun)
    await fenced(sql, fence, (tx) =>
      advanceMembershipsAsOf(tx, provedBy(begunAtMs, { lagMs, offsetMs: clerk.clockOffsetMs() })),
    );
}

/** Reads all organizations. A run that repairs then asks Clerk about those that its list, read since `begunAtMs`, has not shown. */
async function readOrganizations(run: RunContext, begunAtMs: number): Promise<void> {
  const { sql, clerk } = run;
  const seen = await readList(run, "organizations", clerk.listOrganizations);
  if (!seen || !repairs(run)) return;
  const missing = await missingOrganizations(sql, seen, { begunAtMs, nowMs: run.clock.now() });
  await untilSettled(missing, run);
  for (const { id } of missing) {
    const answer = await clerk.getOrganization(id);
    if (answer.kind === "gone") {
      await applyUntilUnlocked(
        sql,
        [{ organizations: [gone(id, "refetch", answer.startedAtMs)] }],
        applyOptionsOf(run),
      );
    } else
      await applyPage(
        sql,
        "organizations",
        { items: [answer.object], startedAtMs: answer.startedAtMs },
        applyOptionsOf(run),
      );
  }
}

/** The same for memberships. */
async function readMemberships(run: RunContext, begunAtMs: number): Promise<void> {
  const { sql, clerk } = run;
  const seen = await readList(run, "memberships", clerk.listMemberships);
  if (!seen || !repairs(run)) return;
  const missing = await missingMemberships(sql, seen, { begunAtMs, nowMs: run.clock.now() });
  await untilSettled(missing, run);
  for (const membership of missing) await confirmMembership(run, membership);
}

/**
 * Applies a list and returns the ids that it showed. Null if it wasn't read to its end now: there is none, or it was
 * read before.
 */
async function readList(
  run: RunContext,
  what: "organizations" | "memberships",
  list: (query: { limit: number; offset: number; orderBy: string }) => Promise<Page>,
): Promise<Set<string> | null> {
  const { sql, runId, fence, kind, signal, onProgress } = run;
  const start = kind.task === "fill" ? await loadCheckpoint(sql, runId, what) : START;
  if (start.done) return null;
  const seen = new Set<string>();
  let total: number | null = null;
  const counted = async (query: { limit: number; offset: number }) => {
    // Oldest first, so that what is created meanwhile comes behind us.
    const page = await list({ ...query, orderBy: "+created_at" });
    total = page.totalCount;
    return page;
  };
  try {
    for await (const page of pagesByOffset(counted, start)) {
      signal.throwIfAborted();
      const within = (tx: Tx) => saveCheckpoint(tx, { runId, what }, page.checkpoint);
      await applyPage(sql, what, page, { ...applyOptionsOf(run), within });
      for (const item of page.items) seen.add(idOf(item) ?? "");
      onProgress({ phase: what, done: seen.size, total });
    }
    return seen;
  } catch (error) {
    // An instance without organizations refuses their lists.
    if (!hasNone(error)) throw error;
    run.log.info({ reason: error.message }, `Clerk has no ${what} here`);
    await fenced(sql, fence, (tx) => saveCheckpoint(tx, { runId, what }, { ...start, done: true }));
    return null;
  }
}

/** Whether this run asks about what Clerk has not shown, and deletes it. */
const repairs = ({ kind }: RunContext) => kind.task === "compare" && !kind.dryRun;

function hasNone(error: unknown): error is AppError {
  return error instanceof AppError && error.code === "upstream_refused" && NONE.has(error.meta?.status);
}

/** What Clerk answers if organizations are switched off, or not part of the plan. */
const NONE = new Set<unknown>([402, 403, 404]);

async function confirmMembership(run: RunContext, missing: MissingMembership): Promise<void> {
  const { sql, clerk } = run;
  const { id, organizationId, userId } = missing;
  try {
    const query = { userIds: [userId], limit: 100, offset: 0 };
    const page = await clerk.listOrganizationMemberships(organizationId, query);
    if (page.items.some((item) => idOf(item) === id))
      await applyPage(sql, "memberships", page, applyOptionsOf(run));
    else
      await applyUntilUnlocked(
        sql,
        [{ memberships: [gone(id, "refetch", page.startedAtMs)] }],
        applyOptionsOf(run),
      );
  } catch (error) {
    if (!(error instanceof AppError && error.clerkCode === "resource_not_found")) throw error;
    const answer = await clerk.getOrganization(organizationId);
    if (answer.kind === "live") throw error;
    // Gives its memberships no tombstones of their own: these would remain if the organization came back.
    const item: Item = { organizations: [gone(organizationId, "refetch", answer.startedAtMs)] };
    await applyUntilUnlocked(sql, [item], applyOptionsOf(run));
  }
}
