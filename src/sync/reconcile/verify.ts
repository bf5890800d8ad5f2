import { createGate } from "../../lib/async.js";
import { AppError } from "../../lib/errors.js";
import { gone } from "../fold/snapshot.js";
import { fenced, LeaseLost } from "../ledger/lease.js";
import { deletionsSince } from "../ledger/runs.js";
import { type Bounds, describeBounds, START, saveCheckpoint, type Window } from "../ledger/windows.js";
import { applyPage } from "./apply-page.js";
import { idOf, type WalkedPage, walkUsers } from "./clerk-pages.js";
import { confirmMissing, type Gone, missingUsers, untilSettled } from "./deletions.js";
import { refusePurge } from "./guards.js";
import type { RunWork } from "./run-context.js";
import { applyUntilUnlocked } from "./until-unlocked.js";

/** So many windows are walked side by side: enough to use the quota although each answer takes its time. */
const AT_ONCE = 8;
const DELETIONS_PER_BATCH = 500;
const DAY_MS = 86_400_000;

/**
 * Does the work for each window that is still open, several at a time. One that fails doesn't stop the others; in the
 * end the failure says which were left open.
 */
export async function overWindows(
  { signal }: RunWork,
  windows: readonly Window[],
  work: (window: Window) => Promise<void>,
): Promise<void> {
  const gate = createGate(AT_ONCE);
  const open: { window: Window; error: Error }[] = [];
  let fatal: unknown = null;
  await Promise.all(
    windows.map((window) =>
      gate(async () => {
        if (window.checkpoint.done || fatal !== null) return;
        try {
          await work(window);
        } catch (error) {
          if (isFatal(error, signal)) fatal = error;
          else open.push({ window, error: error as Error });
        }
      }),
    ),
  );
  if (fatal !== null) throw fatal;
  const [first] = open;
  if (!first) return;
  const which = open.map(({ window }) => describeBounds(window)).slice(0, 5);
  throw new AppError(
    "upstream_unavailable",
    `${open.length} of ${windows.length} windows were left open: ${which.join("; ")}. ${first.error.message}`,
    { cause: first.error },
  );
}

/** No other window would fare better. */
function isFatal(error: unknown, signal: AbortSignal): boolean {
  const rejected = error instanceof AppError && /^(upstream_rejected|loop_detected)$/.test(error.code);
  return rejected || error instanceof LeaseLost || signal.aborted;
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

/**
 * Reads all that Clerk shows within these bounds, repairs what differs, and returns those who are here and whom Clerk
 * has confirmed to be gone: `deleteGone` decides about them.
 */
export async function verifyBounds(work: RunWork, bounds: Bounds): Promise<Gone[]> {
  const { sql, api, call, clock, tally, signal } = work;
  const begunAtMs = clock.now();
  const seen = new Set<string>();
  for await (const page of pagesOf(work, bounds, START)) {
    await applyWalked(work, page);
    for (const item of page.items) seen.add(idOf(item) ?? "");
  }
  const missing = await missingUsers(sql, seen, bounds, { begunAtMs, nowMs: clock.now() });
  if (missing.length === 0) return [];
  await untilSettled(missing, work, signal);
  const ids = missing.map(({ id }) => id);
  const confirmed = await confirmMissing(api, ids, work.witness, call);
  for (const page of confirmed.alive) tally.count(await applyPage(sql, "users", page, work));
  return confirmed.gone;
}

/** Deletes those whom Clerk doesn't know any more, all or, beyond PURGE_LIMIT, none: then they are only counted. */
export async function deleteGone(work: RunWork, all: readonly Gone[]): Promise<void> {
  const { sql, clock, purgeLimit, tally, dryRun, lagMs, fence, signal } = work;
  if (all.length === 0) return;
  const before = await deletionsSince(sql, clock.now() - DAY_MS);
  tally.differs(
    "missed_delete",
    all.map(({ id }) => id),
  );
  await tally.save();
  if (!work.allowPurge && !dryRun) await refusePurge(sql, all.length, { purgeLimit, before });
  for (let from = 0; from < all.length && !dryRun; from += DELETIONS_PER_BATCH) {
    const batch = all.slice(from, from + DELETIONS_PER_BATCH);
    const items = batch.map(({ id, startedAtMs }) => ({ users: [gone(id, "refetch", startedAtMs)] }));
    await applyUntilUnlocked(sql, items, { lagMs, fence, signal });
  }
}

async function* pagesOf(
  work: RunWork,
  bounds: Bounds,
  start: Window["checkpoint"],
): AsyncGenerator<WalkedPage> {
  const { api, call, signal } = work;
  if (start.done) return;
  for await (const page of walkUsers(api, bounds, start, call)) {
    signal.throwIfAborted();
    yield page;
  }
}

async function applyWalked(
  work: RunWork,
  page: WalkedPage,
  within?: Parameters<typeof applyPage>[3]["within"],
): Promise<void> {
  const { sql, lagMs, fence, dryRun, signal, tally, onProgress } = work;
  const options = { lagMs, fence, dryRun, signal, ...(within && { within }) };
  const effects = await work.applyGate(() => applyPage(sql, "users", page, options));
  if (work.mode !== "backfill") tally.count(effects);
  work.witness = idOf(page.items.at(-1)) ?? work.witness;
  tally.seen += page.items.length;
  await tally.save();
  onProgress({ phase: "users", done: tally.seen, total: tally.expected });
}
