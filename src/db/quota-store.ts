import { endsWithin } from "../lib/async.js";
import {
  type Amount,
  boundedPause,
  currentShare,
  NOTHING_SPENT,
  pause,
  type QuotaState,
  type QuotaStore,
  spend,
  spentSince,
} from "../lib/quota.js";
import type { Availability } from "./connection/availability.js";
import { limitLocks } from "./connection/session.js";
import type { Sql, Tx } from "./connection/sql.js";

export interface SharedLimits {
  sql: Sql;
  availability: Pick<Availability, "guard">;
  /** Requests in any 10 seconds, and how many of them the background may have. */
  limit: number;
  backgroundShare: number;
  readShare?: number;
  /** Asked while Postgres is away: how much a process may spend when it knows of no other. */
  alone: QuotaStore;
}

const CLERKS_WINDOW_MS = 10_000;
/** A grant may be used up to a second after it was given, so what Clerk sees in 10 seconds was granted within 11. */
const WINDOW_MS = CLERKS_WINDOW_MS + 1000;

/** The row is locked for one round trip. A process that doesn't get it within this time spends as if it were alone. */
const LOCK_TIMEOUT_MS = 500;
/**
 * A caller waits 5 seconds, and it takes longer than that to notice a connection that swallows what it is sent. So after
 * this time the process is told what it may spend alone.
 */
const ANSWER_MS = 3000;

/**
 * The quota of all processes together, kept in one row of the primary. It never grants more than `limit` in any 10 seconds,
 * however many processes ask, and serves urgent requests before the background.
 */
export function createSharedQuotaStore(options: SharedLimits): QuotaStore {
  const { sql, availability, limit, backgroundShare, readShare, alone } = options;
  const limits = {
    limit,
    backgroundShare,
    ...(readShare !== undefined && { readShare }),
    windowMs: WINDOW_MS,
  };

  function update<T>(
    change: (state: QuotaState, nowMs: number) => { after: QuotaState; result: T },
  ): Promise<T> {
    return availability.guard(
      () =>
        sql.begin(async (tx) => {
          limitLocks(tx, LOCK_TIMEOUT_MS);
          const state = await lockState(tx);
          // In a statement of its own: the one that waits for the lock may have read the time before.
          const [clock] = await tx<{ now: number }[]>`
            select (extract(epoch from clock_timestamp()) * 1000)::bigint as now`;
          const { after, result } = change(state, clock?.now ?? 0);
          await tx`update mirror_data.budget set spending = ${JSON.stringify({ ...after, limit })}::text::jsonb`;
          return result;
        }) as Promise<T>,
    );
  }

  return {
    async spend(wanted) {
      const asked = update((state, nowMs) => {
        const { after, ...result } = spend(state, wanted, limits, nowMs);
        return { after, result };
      });
      const isTold = await endsWithin(asked, ANSWER_MS).catch(() => false);
      // The late answer is ignored, also when it is an error.
      if (!isTold) asked.catch(() => {});
      return isTold ? asked : { ...(await alone.spend(wanted)), isFresh: true };
    },
    async pause(ms) {
      await alone.pause(ms);
      await update((state, nowMs) => ({ after: pause(state, ms, nowMs), result: null })).catch(() => {});
    },
  };
}

async function lockState(tx: Tx): Promise<QuotaState> {
  const lock = () => tx<{ spending: QuotaState }[]>`select spending from mirror_data.budget for update`;
  const [row] = await lock();
  if (row) return row.spending;
  await tx`
    insert into mirror_data.budget (spending) values (${JSON.stringify(NOTHING_SPENT)}::text::jsonb)
    on conflict (one) do nothing`;
  return (await lock())[0]?.spending ?? NOTHING_SPENT;
}

/** How much of the quota is used, for people. */
export interface QuotaUse {
  /** UPSTREAM_RATE_LIMIT of whoever asked last; null: nobody has. */
  limit: number | null;
  /** Requests granted in the last 10 seconds. */
  used: Amount;
  /** The part of its share that the background uses at present: below 1 after Clerk answered 429. */
  share: number;
  /** Until when walks and refetches start nothing. */
  paused_until: number | null;
}

export async function readQuotaUse(sql: Sql): Promise<QuotaUse> {
  const [row] = await sql<{ spending: (QuotaState & { limit?: number }) | null; now: number }[]>`
    select (select spending from mirror_data.budget) as spending,
      (extract(epoch from clock_timestamp()) * 1000)::bigint as now`;
  const { limit = null, ...stored } = row?.spending ?? { ...NOTHING_SPENT };
  const nowMs = row?.now ?? 0;
  const state = boundedPause(stored, nowMs);
  return {
    limit,
    used: spentSince(state, nowMs - CLERKS_WINDOW_MS),
    share: currentShare(state, nowMs),
    paused_until: state.pausedUntilMs > nowMs ? state.pausedUntilMs : null,
  };
}
