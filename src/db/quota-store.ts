import { endsWithin } from "../lib/async.js";
import {
  type Amount,
  boundedPause,
  currentShare,
  type Grant,
  NOTHING_SPENT,
  pause,
  type Spending,
  spend,
  spentSince,
} from "../lib/quota.js";
import type { Availability } from "./connection/availability.js";
import { limitLocks } from "./connection/session.js";
import type { Sql, Tx } from "./connection/sql.js";

/** What all processes together may send to Clerk, kept in one row of the primary. */
export interface SharedAllowance {
  spend(wanted: Amount): Promise<Grant>;
  pause(ms: number): Promise<void>;
}

export interface SharedLimits {
  sql: Sql;
  availability: Pick<Availability, "guard">;
  /** Requests in any 10 seconds, and how many of them the background may have. */
  limit: number;
  backgroundShare: number;
  readShare?: number;
  /** Asked while Postgres can't be: what a process may spend when it knows of no other. */
  alone: SharedAllowance;
}

const CLERKS_WINDOW_MS = 10_000;
/** A grant may be used up to a second after it was given, so what Clerk sees in 10 seconds was granted within 11. */
const WINDOW_MS = CLERKS_WINDOW_MS + 1000;

/** The row is held for a round trip. Whoever can't have it for so long spends as if alone. */
const LOCK_TIMEOUT_MS = 500;
/**
 * Whoever asks has 5 seconds of patience, and connections that swallow what they are sent are found out later than that: he
 * is told in time what this process may spend alone.
 */
const ANSWER_MS = 3000;

/** Never grants more than `limit` in any 10 seconds, to however many processes; the urgent come before the background. */
export function createSharedAllowance(options: SharedLimits): SharedAllowance {
  const { sql, availability, limit, backgroundShare, readShare, alone } = options;
  const limits = {
    limit,
    backgroundShare,
    ...(readShare !== undefined && { readShare }),
    windowMs: WINDOW_MS,
  };

  function update<T>(
    change: (spending: Spending, nowMs: number) => { after: Spending; result: T },
  ): Promise<T> {
    return availability.guard(
      () =>
        sql.begin(async (tx) => {
          limitLocks(tx, LOCK_TIMEOUT_MS);
          const spending = await lockSpending(tx);
          // In a statement of its own: the one that waits for the lock may have read the time before.
          const [clock] = await tx<{ now: number }[]>`
            select (extract(epoch from clock_timestamp()) * 1000)::bigint as now`;
          const { after, result } = change(spending, clock?.now ?? 0);
          await tx`update mirror_data.budget set spending = ${JSON.stringify({ ...after, limit })}::text::jsonb`;
          return result;
        }) as Promise<T>,
    );
  }

  return {
    async spend(wanted) {
      const asked = update((spending, nowMs) => {
        const { after, ...result } = spend(spending, wanted, limits, nowMs);
        return { after, result };
      });
      const isTold = await endsWithin(asked, ANSWER_MS).catch(() => false);
      // Nobody looks any more at what comes of it later.
      if (!isTold) asked.catch(() => {});
      return isTold ? asked : { ...(await alone.spend(wanted)), isFresh: true };
    },
    async pause(ms) {
      await alone.pause(ms);
      await update((spending, nowMs) => ({ after: pause(spending, ms, nowMs), result: null })).catch(
        () => {},
      );
    },
  };
}

async function lockSpending(tx: Tx): Promise<Spending> {
  const lock = () => tx<{ spending: Spending }[]>`select spending from mirror_data.budget for update`;
  const [row] = await lock();
  if (row) return row.spending;
  await tx`
    insert into mirror_data.budget (spending) values (${JSON.stringify(NOTHING_SPENT)}::text::jsonb)
    on conflict (one) do nothing`;
  return (await lock())[0]?.spending ?? NOTHING_SPENT;
}

/** How the budget stands, for people. */
export interface BudgetState {
  /** UPSTREAM_RATE_LIMIT of whoever asked last; null: nobody has. */
  limit: number | null;
  /** Requests granted in the last 10 seconds. */
  used: Amount;
  /** The part of its share that the background uses at present: below 1 after Clerk answered 429. */
  share: number;
  /** Until when walks and refetches start nothing. */
  paused_until: number | null;
}

export async function readBudget(sql: Sql): Promise<BudgetState> {
  const [row] = await sql<{ spending: (Spending & { limit?: number }) | null; now: number }[]>`
    select (select spending from mirror_data.budget) as spending,
      (extract(epoch from clock_timestamp()) * 1000)::bigint as now`;
  const { limit = null, ...stored } = row?.spending ?? { ...NOTHING_SPENT };
  const nowMs = row?.now ?? 0;
  const spending = boundedPause(stored, nowMs);
  return {
    limit,
    used: spentSince(spending, nowMs - CLERKS_WINDOW_MS),
    share: currentShare(spending, nowMs),
    paused_until: spending.pausedUntilMs > nowMs ? spending.pausedUntilMs : null,
  };
}
