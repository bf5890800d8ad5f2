import { limitLocks } from "../../db/connection/session.js";
import type { Sql, Tx } from "../../db/connection/sql.js";
import { endsWithin } from "../../lib/async.js";
import { runLoop } from "../../lib/loop.js";
import { hasDied, THIS_PROCESS } from "../../lib/this-process.js";
import type { Logger } from "../../observability/logger.js";

/** Runs in a transaction, and refuses it if this process no longer holds the lease. */
export type Fence = (tx: Tx) => Promise<void>;

/**
 * These statements take a page as arrays of a megabyte. Planning for their values would copy and parse the arrays
 * again each time: half a second a page, for the first five pages of every connection.
 */
const PLAN_ONCE = "plan_cache_mode";

/** For loads where nobody else can hold a lease. */
export const unfenced: Fence = async (tx) => {
  await tx`select set_config(${PLAN_ONCE}, 'force_generic_plan', true)`;
};

/** The right to do runs, held by one process at a time. */
export interface HeldLease {
  epoch: number;
  /** Aborts when the lease is lost. */
  signal: AbortSignal;
  fence: Fence;
  /** Releases the lease, so that another process can have it at once. */
  release(): Promise<void>;
}

export interface Lease {
  /** Null if another process has it. A lease is renewed until it is released or lost. */
  acquire(): Promise<HeldLease | null>;
}

/** Thrown by a fence, and the reason of the signal. */
export class LeaseLost extends Error {
  override readonly name = "LeaseLost";
}

export interface LeaseOptions {
  sql: Sql;
  log: Logger;
  /** A holder that isn't heard of for so long may be replaced. */
  ttlMs?: number;
  renewMs?: number;
}

const NAME = "walks";
/** One process may hold several: two mirrors, or a command beside a server. */
let made = 0;

/**
 * The lease is a row, not an advisory lock: a process that was stopped would keep a lock, but keeps this row only
 * until it expires. If it wakes up later, it finds the epoch raised. Every transaction of a run reads the row `for
 * share` first, so that a takeover waits for those under way and lets no later one pass.
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

  /**
   * A holder that was killed on this machine needn't be waited for. Nor need we wait for ourselves, if Postgres was
   * away when we released the lease.
   */
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
      // While Postgres is away nobody else can take the lease either.
      onFailure: (error) => log.warn({ err: error }, "the lease could not be renewed"),
    });
    return {
      epoch,
      signal: lost.signal,
      fence,
      async release() {
        ended.abort();
        // A renewal that Postgres never answers must not keep this process from asking again.
        await endsWithin(renewing, renewMs);
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

/** All windows of a run write side by side. Those that wait for a lock would hold all connections. */
const LOCK_TIMEOUT_MS = 500;

/** Runs one transaction of a run. Throws if the lease was lost. */
export async function fenced<T>(sql: Sql, fence: Fence, work: (tx: Tx) => Promise<T>): Promise<T> {
  return (await sql.begin(async (tx) => {
    limitLocks(tx, LOCK_TIMEOUT_MS);
    await fence(tx);
    return work(tx);
  })) as T;
}
