import { feedPosition, userDeletionsSince } from "../../changes/feed.js";
import { sleep } from "../../lib/async.js";
import { DAY_MS, dayOf } from "../../lib/days.js";
import { fenced } from "../ledger/lease.js";
import { countActive, endDays, heardOfDay, noteCounted } from "../ledger/sweeps.js";
import { EVERYBODY, loadCheckpoint, START, saveCheckpoint } from "../ledger/windows.js";
import { countAtClerk } from "./clerk-count.js";
import { lastActiveAtOf, type UserBounds } from "./clerk-pages.js";
import { refuseUnlessKnown } from "./guards.js";
import type { RunContext } from "./run-context.js";
import { lateSweepMs, settledMs } from "./sweep-times.js";
import { applyUserPage, userPagesOf } from "./user-pages.js";

/** A second walk only where the first has not brought whom Clerk had counted before it. */
const MOST_WALKS = 2;
/** Counts between which a user was deleted can't be compared. */
const ATTEMPTS = 3;
/** So near to midnight nobody knows on which side of it Clerk counted: its clock is known to the second. */
const UNCERTAIN_MS = 2000;

/**
 * Brings whoever Clerk shows as active since the first day that isn't ended, and whom nothing else has told of. Before midnight it
 * notes how many Clerk counts for the day; after it, it ends the day. Costs one count where that is as many as are here.
 */
export async function runSweep(run: RunContext): Promise<void> {
  const { sql, clerk, fence, lagMs, log } = run;
  const day = dayOf(clerkNow(run));
  const heard = await heardOfDay(sql, day);
  if (!heard) return;
  const { sinceDay } = heard;
  const isAfterMidnight = sinceDay < day;
  const beganAtMs = run.startedAtMs + clerk.clockOffsetMs();
  // It was interrupted over a midnight: what it has read says nothing about that day, and the next one begins anew.
  if (beganAtMs < (isAfterMidnight ? settledMs(day, lagMs) : day * DAY_MS)) return;
  const sweep: Sweep = { run, day, bounds: { ...EVERYBODY, activeSinceMs: sinceDay * DAY_MS } };
  if (!isAfterMidnight) return beforeMidnight(sweep);
  const isSwept = await bringActive(sweep, await countBoth(sweep));
  const missed = await fenced(sql, fence, (tx) => endDays(tx, { sinceDay, day, isSwept }));
  if (missed.length > 0) {
    log.warn({ run: run.runId, days: missed }, "perhaps not all who were active on these days are known");
  }
}

interface Sweep {
  run: RunContext;
  day: number;
  bounds: UserBounds & { activeSinceMs: number };
}

const clerkNow = ({ clock, clerk }: RunContext) => clock.now() + clerk.clockOffsetMs();

async function beforeMidnight(sweep: Sweep): Promise<void> {
  const counted = await countBoth(sweep);
  await note(sweep, counted);
  if (agree(counted)) return;
  await bringActive(sweep, counted);
  await note(sweep, await countBoth(sweep));
}

interface Counted {
  /** How many users were active since then, at Clerk and here. */
  theirs: number;
  ours: number;
  /** How many days of activity of today there were here at that moment. */
  ofDay: number;
  /** Nobody was deleted meanwhile, and all deleted users whom Clerk still counts are left out. */
  isSettled: boolean;
}

const agree = ({ theirs, ours, isSettled }: Counted) => isSettled && theirs === ours;

/**
 * Those here are counted first. None of them can be missing at Clerk, except by a deletion, and nobody becomes less active: equal
 * numbers are the same users.
 */
async function countBoth({ run, day, bounds }: Sweep): Promise<Counted> {
  const { sql, signal, recountAfterMs } = run;
  for (let attempt = 1; ; attempt++) {
    const position = await feedPosition(sql);
    const { users: ours, ofDay } = await countActive(sql, { sinceMs: bounds.activeSinceMs, day });
    let { theirs, lingering } = await countAtClerk(run, bounds);
    if (theirs < ours) {
      // Clerk's counts may trail what a webhook has just told.
      await sleep(recountAfterMs, signal);
      ({ theirs, lingering } = await countAtClerk(run, bounds));
    }
    const isSettled = lingering !== null && (await userDeletionsSince(sql, position)) === 0;
    if (isSettled || attempt === ATTEMPTS) return { theirs, ours, ofDay, isSettled };
  }
}

/** Notes how many must be active today: those who are known to be, and as many as Clerk counts beyond them. */
async function note({ run, day }: Sweep, { theirs, ours, ofDay, isSettled }: Counted): Promise<void> {
  const { sql, fence } = run;
  const atMs = clerkNow(run);
  if (atMs > (day + 1) * DAY_MS - UNCERTAIN_MS) return;
  const isLast = atMs >= lateSweepMs(day, ofDay);
  const counted = isLast && isSettled && theirs >= ours ? ofDay + theirs - ours : null;
  await fenced(sql, fence, (tx) => noteCounted(tx, { day, atMs, counted }));
}

/** Reads all who were active since then, unless the counts agree. False: not everybody whom Clerk counts could be read. */
async function bringActive(sweep: Sweep, first: Counted): Promise<boolean> {
  const { run, day, bounds } = sweep;
  let counted = first;
  for (let walks = 1; !agree(counted); walks++) {
    run.findings.expectUsers(counted.theirs);
    if (!(await walk(sweep))) return false;
    const { users } = await countActive(run.sql, { sinceMs: bounds.activeSinceMs, day });
    if (users >= counted.theirs) return true;
    if (walks === MOST_WALKS) return false;
    counted = await countBoth(sweep);
  }
  return true;
}

/** By creation, because whoever becomes active meanwhile moves nobody else. False: this Clerk doesn't keep to the filter. */
async function walk({ run, bounds }: Sweep): Promise<boolean> {
  const { sql, clerk, fence, runId, log } = run;
  const at = { runId, what: "users" } as const;
  const left = await loadCheckpoint(sql, runId, "users");
  let isKnown = false;
  for await (const page of userPagesOf(run, bounds, left.done ? START : left)) {
    if (page.items.some((item) => (lastActiveAtOf(item) ?? 0) < bounds.activeSinceMs)) {
      log.warn({ run: runId }, "Clerk's list shows users whom last_active_at_after should leave out");
      return false;
    }
    if (!isKnown) await refuseUnlessKnown(sql, clerk, page.items);
    isKnown = true;
    await applyUserPage(run, page, (tx) => saveCheckpoint(tx, at, page.checkpoint));
    await run.beforeWindow();
  }
  await fenced(sql, fence, (tx) => saveCheckpoint(tx, at, { ...START, done: true }));
  return true;
}
