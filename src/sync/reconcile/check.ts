import { USER_COUNT } from "../../changes/counters.js";
import { feedPosition, userDeletionsSince } from "../../changes/feed.js";
import { sleep } from "../../lib/async.js";
import { fenced } from "../ledger/lease.js";
import { advanceAsOf, loadProof, provedBy, saveCounted, saveWatermark } from "../ledger/proof.js";
import { type Bounds, EVERYBODY, START } from "../ledger/windows.js";
import { applyPage, type PageEffects } from "./apply-page.js";
import { countWithin, keepsToBounds } from "./bounds.js";
import { boundsQuery, createdAtOf, idOf, PAGE_SIZE, updatedAtOf, walkByOffset } from "./clerk-pages.js";
import type { Gone } from "./deletions.js";
import { refuseWrongInstance } from "./guards.js";
import { locateDrift } from "./locate-drift.js";
import type { RunWork } from "./run-context.js";
import { deleteGone, verifyBounds } from "./verify.js";

/**
 * What an incremental run ends with. `complete`: everything is as Clerk has it. `unsettled`: something happened each time
 * that both sides were counted, or the counts can't be compared. `too_much`: only a walk of everything will tell.
 */
export type IncrementalEnd = "complete" | "unsettled" | "too_much";

/**
 * More changed than so many pages show, or than a quarter of all pages: a walk of everything costs little more then, and
 * can be resumed.
 */
const LEAST_MOST_PAGES = 20;
const mostPages = (users: number) => Math.max(LEAST_MOST_PAGES, Math.ceil(users / PAGE_SIZE / 4));
/** The first page is small: mostly nothing has changed, and each minute it is read. */
const FIRST_PAGE = 100;
/** To compare, to compare again once what differed is repaired, and once more where something happened meanwhile. */
const ATTEMPTS = 3;

/**
 * Reads what changed since the last successful walk, compares the counts of all users but the freshest on both sides,
 * and where they differ finds the place by halving and repairs it. Costs one count and one page when nothing happened.
 * Safe to repeat.
 *
 * The order is the proof. Clerk is counted first, then asked what changed: whoever it counted and lives is here by then.
 * If we then hold as many, and learnt of no deletion since the count, we hold nobody whom it had not counted.
 */
export async function runIncremental(work: RunWork): Promise<IncrementalEnd> {
  const { sql, api, clock, lagMs, fence, log } = work;
  const { watermark, asOfMs } = await loadProof(sql);
  if (watermark === null) return "too_much";
  const keeps = await keepsToBounds(work);
  let sinceMs = watermark;
  let newest: number | null = null;
  let end: IncrementalEnd = "unsettled";
  for (let attempt = 0; attempt < ATTEMPTS && end === "unsettled"; attempt++) {
    const begunAtMs = clock.now();
    // Of times that Clerk's clock gave.
    const bounds = keeps ? { afterMs: null, beforeMs: begunAtMs + api.clockOffsetMs() - lagMs } : EVERYBODY;
    const before = await look(work, bounds);
    const read = await readChanges(work, sinceMs, mostPages(before.theirs));
    if (read === "too_much") return "too_much";
    newest ??= read.newest;
    sinceMs = Math.max(sinceMs, read.newest ?? 0);
    const position = await feedPosition(sql);
    const after = await compare(work, bounds, before);
    if (after === "agree") {
      end = "complete";
      // A proof by induction: only what was proved up to the watermark is now proved up to here.
      if (asOfMs !== null && keeps && !work.dryRun) {
        const proved = provedBy(begunAtMs, { lagMs, offsetMs: api.clockOffsetMs() });
        await fenced(sql, fence, (tx) => advanceAsOf(tx, proved, position));
      }
    } else if (after === "untold") break;
    else if (after !== "changed") {
      const places = keeps ? await repairDrift(work, bounds, after) : "too_much";
      if (places === "too_much") return places;
      log.info({ run: work.runId, places }, "read again where the counts differed");
      if (work.dryRun) break;
    }
  }
  const watermarkNow = newest;
  if (watermarkNow !== null && !work.dryRun) {
    await fenced(sql, fence, (tx) => saveWatermark(tx, watermarkNow));
  }
  await work.tally.save();
  return end;
}

interface Look {
  /** Those whom Clerk counts, without the lingering. */
  theirs: number;
  /** How many Clerk still counts of whom the mirror knows that they are gone; null: too many to ask, or it doesn't count by id. */
  lingering: number | null;
  /** Where the feed stood before Clerk was asked. */
  position: number;
}

/**
 * Clerk's counts trail its deletions: somebody who was just deleted, and is counted all the same, would stand in for
 * somebody whose deletion was missed. Those are counted first: whoever lingers in the count of all did so then.
 */
async function look(work: RunWork, bounds: Bounds): Promise<Look> {
  const position = await feedPosition(work.sql);
  const lingering = await countLingering(work, bounds);
  return { theirs: (await countWithin(work, bounds)) - (lingering ?? 0), lingering, position };
}

/** As many ids as Clerk takes in one question, and as many as are worth asking about. */
const IDS_PER_COUNT = 100;
const MOST_LINGERING = 1000;

async function countLingering({ sql, api, call, clock, lagMs }: RunWork, bounds: Bounds) {
  // Twice the lag: a refetch dates a deletion by when its request began. A webhook dates it by Clerk's clock.
  const sinceMs = clock.now() + Math.min(0, api.clockOffsetMs()) - 2 * lagMs;
  const rows = await sql<{ id: string }[]>`
    select id from mirror_data.users where deleted_at > ${sinceMs}
    order by id limit ${MOST_LINGERING + 1}`;
  if (rows.length > MOST_LINGERING) return null;
  let counted = 0;
  for (let from = 0; from < rows.length; from += IDS_PER_COUNT) {
    const userIds = rows.slice(from, from + IDS_PER_COUNT).map(({ id }) => id);
    counted += await api.countUsers({ ...boundsQuery(bounds), userIds }, call);
  }
  return counted > rows.length ? null : counted;
}

/** Users by `-updated_at`, back to `sinceMs`, and to what Clerk's lists may not have shown yet when that was read. */
async function readChanges(
  work: RunWork,
  sinceMs: number,
  most: number,
): Promise<{ newest: number | null } | "too_much"> {
  const { sql, api, call, lagMs, fence, dryRun, tally, signal } = work;
  const list = (query: { limit: number; offset: number }) =>
    api.listUsers({ ...query, orderBy: "-updated_at" }, call);
  let newest: number | null = null;
  let pages = 0;
  for await (const page of walkByOffset(list, START, { firstPageSize: FIRST_PAGE })) {
    signal.throwIfAborted();
    if (pages === 0) {
      newest = updatedAtOf(page.items[0]);
      if (!(await showsSomebodyKnown(work, page.items))) await refuseWrongInstance(sql, api, call);
    }
    const effects = await applyPage(sql, "users", page, { lagMs, fence, dryRun });
    tally.count(effects);
    if (dryRun) foresee(work, page.items, effects);
    tally.seen += page.items.length;
    work.witness = idOf(page.items[0]) ?? work.witness;
    const oldest = updatedAtOf(page.items.at(-1));
    if (oldest === null || oldest < sinceMs - lagMs) break;
    if (++pages === most) return "too_much";
  }
  return { newest };
}

function foresee({ foreseen }: RunWork, items: readonly unknown[], effects: PageEffects): void {
  for (const item of items) {
    const id = idOf(item) ?? "";
    if (effects.get(id) === "created") foreseen.set(id, createdAtOf(item) ?? 0);
  }
}

/** Then it is the Clerk that this mirror holds, and no request needs to find that out. */
async function showsSomebodyKnown({ sql }: RunWork, items: readonly unknown[]): Promise<boolean> {
  const ids = items.flatMap((item) => idOf(item) ?? []);
  const [known] = await sql`
    select from mirror_data.users where id in ${sql(ids.length > 0 ? ids : [""])} and payload is not null limit 1`;
  return known !== undefined;
}

/** The counts, where they differ. `changed`: something happened meanwhile; `untold`: they can't be compared. */
async function compare(
  work: RunWork,
  bounds: Bounds,
  before: Look,
): Promise<"agree" | "untold" | "changed" | Counts> {
  if (before.lingering === null) return "untold";
  const first = await countBoth(work, bounds, before);
  if (first.theirs === first.ours) {
    return (await userDeletionsSince(work.sql, before.position)) > 0 ? "changed" : "agree";
  }
  // Acted on only if it is seen twice.
  await sleep(work.secondLookMs, work.signal);
  const { theirs, ours } = await countBoth(work, bounds, await look(work, bounds));
  return theirs === ours ? "changed" : { theirs, ours };
}

interface Counts {
  theirs: number;
  ours: number;
}

async function countBoth(work: RunWork, bounds: Bounds, { theirs }: Look): Promise<Counts> {
  const { sql, clock, fence } = work;
  const counts = { theirs, ours: await ownCount(work, bounds) };
  await fenced(sql, fence, (tx) => saveCounted(tx, counts, clock.now()));
  return counts;
}

/** All but the freshest: two index lookups, where counting all of them would read the whole index. */
async function ownCount({ sql, foreseen }: RunWork, bounds: Bounds): Promise<number> {
  const beforeMs = bounds.beforeMs ?? Number.MAX_SAFE_INTEGER;
  const [row] = await sql<{ n: number }[]>`
    select (${sql.unsafe(USER_COUNT)})
      - (select count(*) from mirror_data.user_search where created_at >= ${beforeMs}) as n`;
  return (row?.n ?? 0) + [...foreseen.values()].filter((at) => at < beforeMs).length;
}

/** How many places were read again, and repaired. */
async function repairDrift(work: RunWork, bounds: Bounds, counts: Counts): Promise<number | "too_much"> {
  const places = await locateDrift(work, { fromMs: null, toMs: (bounds.beforeMs ?? 0) - 1, ...counts });
  if (places === null) return "too_much";
  const missing: Gone[] = [];
  for (const place of places) missing.push(...(await verifyBounds(work, place)));
  await deleteGone(work, missing);
  return places.length;
}
