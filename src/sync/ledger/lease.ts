import { limitLocks } from "../../db/connection/session.js";
import type { Sql, Tx } from "../../db/connection/sql.js";
import { sleep } from "../../lib/async.js";
import { runLoop } from "../../lib/loop.js";
import { hasDied, THIS_PROCESS } from "../../lib/this-process.js";
import type { Logger } from "../../observability/logger.js";

/** Refuses, in the transaction it is given, what a process writes that doesn't hold the lease any more. */
export type Fence = (tx: Tx) => Promise<void>;

/**
 * Statements take a page as arrays of a megabyte; planning for their very values copies and parses them again and again,
 * at half a second a page for the first five of every connection.
 */
const PLAN_ONCE = "plan_cache_mode";

/** For what is loaded where nobody else can walk. */
export const unfenced: Fence = async (tx) => {
  await tx`select set_config(${PLAN_ONCE}, 'force_generic_plan', true)`;
};

/** The right to walk, held by one process at a time. */
export interface HeldLease {
  epoch: number;
  /** Aborts when the lease was lost. */
  signal: AbortSignal;
  fence: Fence;
  /** Lets another process have it at once. */
  release(): Promise<void>;
}

export interface Lease {
  /** Null: somebody else has it. What is acquired is renewed until it is released or lost. */
  acquire(): Promise<HeldLease | null>;
}

/** Thrown by a fence, and the reason of the signal. */
export class LeaseLost extends Error {
  override readonly name = "LeaseLost";
}

export interface LeaseOptions {
  sql: Sql;
  log: Logger;
  /** A holder that is not heard of for so long may be replaced. */
  ttlMs?: number;
  renewMs?: number;
}

const NAME = "walks";
/** A process may have several: two mirrors, or a command beside a server. */
let made = 0;

/**
 * A row, not an advisory lock: a process that was stopped in the middle keeps a lock, and this row only until it
 * expires. One that wakes up too late finds the epoch raised: every transaction of a walk reads it `for share` first, so
 * a takeover waits for those under way and lets no later one pass.
 */
export function createLease({ sql, log, ttlMs = 10_000, renewMs = 3000 }: LeaseOptions): Lease {
  const holder = `${THIS_PROCESS}/${++made}`;
  let holds = false;

  async function acquire(): Promise<HeldLease | null> {
    const epoch = (await take()) ?? ((await dropDead()) ? await take() : null);
    if (epoch === null) return null;
    holds = true;
    return hold(epoch);
  }

  async function take(): Promise<number | null> {
    const [row] = await sql<{ epoch: number }[]>`
      insert into mirror_data.leases as l (name, holder, epoch, expires_at)
      select ${NAME}, ${holder}, 1, now_ms + ${ttlMs}::bigint from ${clock()}
      on conflict (name) do update
        set holder = excluded.holder, epoch = l.epoch + 1, expires_at = excluded.expires_at
        where l.expires_at <= excluded.expires_at - ${ttlMs}::bigint
          -- Nobody takes one for so long: the clock was set back.
          or l.expires_at > excluded.expires_at + ${ttlMs}::bigint
      returning epoch`;
    return row?.epoch ?? null;
  }

  /** Whoever was killed on this machine needn't be waited for, nor we ourselves, when Postgres was away as we let go. */
  async function dropDead(): Promise<boolean> {
    const [row] = await sql<{ holder: string; epoch: number }[]>`
      select holder, epoch from mirror_data.leases where name = ${NAME}`;
    const isLeft = row && (row.holder === holder ? !holds : hasDied(row.holder));
    if (!isLeft) return false;
    await sql`update mirror_data.leases set expires_at = 0 where name = ${NAME} and epoch = ${row.epoch}`;
    return true;
  }

  function hold(epoch: number): HeldLease {
    const lost = new AbortController();
    const ended = new AbortController();

    async function fence(tx: Tx): Promise<void> {
      const held = await tx`
        select set_config(${PLAN_ONCE}, 'force_generic_plan', true)
        from mirror_data.leases where name = ${NAME} and epoch = ${epoch} for share`;
      if (held.count > 0) return;
      const error = new LeaseLost("Another process walks now: it took this one for dead.");
      lost.abort(error);
      throw error;
    }

    async function renew(): Promise<void> {
      const renewed = await sql`
        update mirror_data.leases set expires_at = now_ms + ${ttlMs}::bigint
        from ${clock()} where name = ${NAME} and epoch = ${epoch}`;
      if (renewed.count === 0) lost.abort(new LeaseLost("Another process took the lease over."));
    }

    const renewing = runLoop({
      ...{ signal: AbortSignal.any([ended.signal, lost.signal]), step: renew },
      ...{ startsWith: "pause", pauseMs: renewMs },
      // While Postgres is away nobody else can take it either.
      onFailure: (error) => log.warn({ err: error }, "the lease could not be renewed"),
    });
    return {
      epoch,
      signal: lost.signal,
      fence,
      async release() {
        ended.abort();
        // A renewal that Postgres never answers must not keep this process from asking anew.
        await Promise.race([renewing, sleep(renewMs)]);
        holds = false;
        await sql`update mirror_data.leases set expires_at = 0 where name = ${NAME} and epoch = ${epoch}`.catch(
          () => {},
        );
      },
    };
  }

  const clock = () => sql`(select (extract(epoch from clock_timestamp()) * 1000)::bigint as now_ms) as clock`;

  return { acquire };
}

/** All windows of a walk write here side by side: locked, they would hold all connections. */
const LOCK_TIMEOUT_MS = 500;

/** One transaction of a walk, refused where the lease was lost. */
export async function fenced<T>(sql: Sql, fence: Fence, work: (tx: Tx) => Promise<T>): Promise<T> {
  return (await sql.begin(async (tx) => {
    limitLocks(tx, LOCK_TIMEOUT_MS);
    await fence(tx);
    return work(tx);
  })) as T;
}
