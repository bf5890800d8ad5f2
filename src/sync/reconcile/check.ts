import { USER_COUNT } from "../../changes/counters.js";
import { feedPosition, userDeletionsSince } from "../../changes/feed.js";
import { sleep } from "../../lib/async.js";
import { fenced } from "../ledger/lease.js";
import { advanceAsOf, loadProof, provedBy, saveCounted, saveWatermark } from "../ledger/proof.js";
import { type Bounds, EVERYBODY, START } from "../ledger/windows.js";
import { applyPage, type PageChanges } from "./apply-page.js";
import { keepsToBounds } from "./bounds.js";
import { type ClerkCount, countAtClerk } from "./clerk-count.js";
import { createdAtOf, idOf, PAGE_SIZE, pagesByOffset, updatedAtOf } from "./clerk-pages.js";
import type { ConfirmedGone } from "./deletions.js";
import { refuseUnlessKnown } from "./guards.js";
import { locateDrift } from "./locate-drift.js";
import { applyOptionsOf, type RunContext } from "./run-context.js";
import { deleteConfirmed, verifyBounds } from "./verify.js";

/**
 * How a check ends. `complete`: everything is as Clerk has it. `unsettled`: something happened each time that both
 * sides were counted, or the counts can't be compared. `too_much`: only reading everything can tell.
 */
export type CheckEnd = "complete" | "unsettled" | "too_much";

/**
 * The most pages of changes that a check reads: a quarter of all pages, and at least 20. Where more has changed, reading
 * everything costs little more, and can be resumed.
 */
const LEAST_MOST_PAGES = 20;
const mostPages = (users: number) => Math.max(LEAST_MOST_PAGES, Math.ceil(users / PAGE_SIZE / 4));
/** The first page is small, because it is read every minute and mostly nothing has changed. */
const FIRST_PAGE = 100;
/** One attempt to compare, one to compare again after the repair, and one more if something happened meanwhile. */
const ATTEMPTS = 3;

/**
 * Reads what changed since the last successful run, compares the counts of all users but the freshest on both sides,
 * and where they differ finds the place by halving and repairs it. Costs one count and one page when nothing happened.
 * Safe to repeat.
 *
 * The order is the proof. Clerk is counted first, then asked what changed: whoever it counted and lives is here by then.
 * If we then hold as many, and learnt of no deletion since the count, we hold nobody whom it had not counted.
 */
export async function runCheck(run: RunContext): Promise<CheckEnd> {
  const { sql, clerk, clock, lagMs, fence, log } = run;
  const { dryRun } = run.kind;
  const { watermark, asOfMs } = await loadProof(sql);
  if (watermark === null) return "too_much";
  const keeps = await keepsToBounds(run);
  let sinceMs = watermark;
  let newest: number | null = null;
  let end: CheckEnd = "unsettled";
  for (let attempt = 0; attempt < ATTEMPTS && end === "unsettled"; attempt++) {
    const begunAtMs = clock.now();
    // Of times that Clerk's clock gave.
    const bounds = keeps ? { afterMs: null, beforeMs: begunAtMs + clerk.clockOffsetMs() - lagMs } : EVERYBODY;
    const before = await countAtClerk(run, bounds);
    const read = await readChanges(run, sinceMs, mostPages(before.theirs));
    if (read === "too_much") return "too_much";
    newest ??= read.newest;
    sinceMs = Math.max(sinceMs, read.newest ?? 0);
    const position = await feedPosition(sql);
    const after = await compare(run, bounds, before);
    if (after === "agree") {
      end = "complete";
      // A proof by induction: only what was proved up to the watermark is now proved up to here.
      if (asOfMs !== null && keeps && !dryRun) {
        const proved = provedBy(begunAtMs, { lagMs, offsetMs: clerk.clockOffsetMs() });
        await fenced(sql, fence, (tx) => advanceAsOf(tx, proved, position));
      }
    } else if (after === "untold") break;
    else if (after !== "changed") {
      const places = keeps ? await repairDrift(run, bounds, after) : "too_much";
      if (places === "too_much") return places;
      log.info({ run: run.runId, places }, "read again where the counts differed");
      if (dryRun) break;
    }
  }
  const watermarkNow = newest;
  if (watermarkNow !== null && !dryRun) {
    await fenced(sql, fence, (tx) => saveWatermark(tx, watermarkNow));
  }
  await run.findings.save();
  return end;
}

/**
 * Reads users by `-updated_at`, back to `sinceMs` and further by what Clerk's lists may not have shown yet at that
 * time.
 */
async function readChanges(
  run: RunContext,
  sinceMs: number,
  most: number,
): Promise<{ newest: number | null } | "too_much"> {
  const { sql, clerk, lagMs, findings, signal } = run;
  const list = (query: { limit: number; offset: number }) =>
    clerk.listUsers({ ...query, orderBy: "-updated_at" });
  let newest: number | null = null;
  let pages = 0;
  for await (const page of pagesByOffset(list, START, { firstPageSize: FIRST_PAGE })) {
    signal.throwIfAborted();
    if (pages === 0) {
      newest = updatedAtOf(page.items[0]);
      await refuseUnlessKnown(sql, clerk, page.items);
    }
    const effects = await applyPage(sql, "users", page, applyOptionsOf(run));
    findings.countMissed(effects);
    if (run.kind.dryRun) foresee(run, page.items, effects);
    findings.sawUsers(page.items.length, idOf(page.items[0]));
    const oldest = updatedAtOf(page.items.at(-1));
    if (oldest === null || oldest < sinceMs - lagMs) break;
    if (++pages === most) return "too_much";
  }
  return { newest };
}

function foresee({ findings }: RunContext, items: readonly unknown[], effects: PageChanges): void {
  for (const item of items) {
    const id = idOf(item) ?? "";
    if (effects.get(id) === "created") findings.foresee(id, createdAtOf(item) ?? 0);
  }
}

/** The counts, if they differ. `changed`: something happened meanwhile. `untold`: they can't be compared. */
async function compare(
  run: RunContext,
  bounds: Bounds,
  before: ClerkCount,
): Promise<"agree" | "untold" | "changed" | Counts> {
  if (before.lingering === null) return "untold";
  const first = await countBoth(run, bounds, before);
  if (first.theirs === first.ours) {
    return (await userDeletionsSince(run.sql, before.position)) > 0 ? "changed" : "agree";
  }
  // A difference counts only if it is seen twice.
  await sleep(run.recountAfterMs, run.signal);
  const { theirs, ours } = await countBoth(run, bounds, await countAtClerk(run, bounds));
  return theirs === ours ? "changed" : { theirs, ours };
}

interface Counts {
  theirs: number;
  ours: number;
}

async function countBoth(run: RunContext, bounds: Bounds, { theirs }: ClerkCount): Promise<Counts> {
  const { sql, clock, fence } = run;
  const counts = { theirs, ours: await ownCount(run, bounds) };
  await fenced(sql, fence, (tx) => saveCounted(tx, counts, clock.now()));
  return counts;
}

/** Counts all but the freshest users by two index lookups. Counting all of them would read the whole index. */
async function ownCount({ sql, findings }: RunContext, bounds: Bounds): Promise<number> {
  const beforeMs = bounds.beforeMs ?? Number.MAX_SAFE_INTEGER;
  const [row] = await sql<{ n: number }[]>`
    select (${sql.unsafe(USER_COUNT)})
      - (select count(*) from mirror_data.user_search where created_at >= ${beforeMs}) as n`;
  return (row?.n ?? 0) + findings.foreseenWithin(bounds);
}

/** How many places were read again and repaired. */
async function repairDrift(run: RunContext, bounds: Bounds, counts: Counts): Promise<number | "too_much"> {
  const places = await locateDrift(run, { fromMs: null, toMs: (bounds.beforeMs ?? 0) - 1, ...counts });
  if (places === null) return "too_much";
  const missing: ConfirmedGone[] = [];
  for (const place of places) missing.push(...(await verifyBounds(run, place)));
  await deleteConfirmed(run, missing);
  return places.length;
}
