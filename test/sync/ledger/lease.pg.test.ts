// Covers src/lib/this-process.ts

import { describe, expect } from "vitest";
import type { Sql } from "../../../src/db/connection/sql.js";
import { silentLogger } from "../../../src/observability/logger.js";
import { createLease, fenced, type HeldLease, LeaseLost } from "../../../src/sync/ledger/lease.js";
import { test } from "../../support/database.js";

const leaseOf = (sql: Sql, times: { ttlMs?: number; renewMs?: number } = {}) =>
  createLease({ sql, log: silentLogger(), ...times });

const acquired = async (lease: ReturnType<typeof leaseOf>): Promise<HeldLease> => {
  const held = await lease.acquire();
  if (!held) throw new Error("the lease was not free");
  return held;
};

/** As if its holder were not heard of any more. */
const expire = (sql: Sql) => sql`update mirror_data.leases set expires_at = 0`;

describe("the lease", () => {
  test("is held by one at a time, and free again when it is released", async ({ db }) => {
    const [one, other] = [leaseOf(db.sql), leaseOf(db.sql)];
    const held = await acquired(one);
    expect(await other.acquire()).toBeNull();
    await held.release();
    const next = await acquired(other);
    expect(next.epoch).toBe(held.epoch + 1);
    expect(await one.acquire()).toBeNull();
    await next.release();
  });

  test("stays with a holder that renews it, however long, and goes over when it doesn't", async ({ db }) => {
    const held = await acquired(leaseOf(db.sql, { ttlMs: 300, renewMs: 50 }));
    const other = leaseOf(db.sql, { ttlMs: 300, renewMs: 50 });
    const [first] = await db.sql<{ at: number }[]>`select expires_at as at from mirror_data.leases`;
    const renewed = async () =>
      Number((await db.sql`select expires_at as at from mirror_data.leases`)[0]?.at) > (first?.at ?? 0) + 600;
    await expect.poll(renewed).toBe(true);
    expect(await other.acquire()).toBeNull();
    expect(held.signal.aborted).toBe(false);

    await expire(db.sql);
    const next = await acquired(other);
    await expect.poll(() => held.signal.aborted).toBe(true);
    await held.release();
    // Who lost it can't take it from the next by letting go.
    expect(await leaseOf(db.sql).acquire()).toBeNull();
    await next.release();
  });

  test("refuses what the one before still writes, and tells it", async ({ db }) => {
    const before = await acquired(leaseOf(db.sql));
    await expire(db.sql);
    const now = await acquired(leaseOf(db.sql));
    const write = (held: HeldLease) =>
      fenced(db.sql, held.fence, (tx) => tx`update mirror_data.counters set n = n + 1 where name = 'users'`);
    await expect(write(before)).rejects.toThrow(LeaseLost);
    expect(before.signal.aborted).toBe(true);
    await write(now);
    expect(await db.sql`select n from mirror_data.counters where name = 'users'`).toEqual([{ n: 1 }]);
    await Promise.all([before.release(), now.release()]);
  });

  test("goes over only when the transaction under way has ended", async ({ db }) => {
    const before = await acquired(leaseOf(db.sql));
    let finish = () => {};
    const finished = new Promise<void>((resolve) => {
      finish = resolve;
    });
    let began = () => {};
    const begun = new Promise<void>((resolve) => {
      began = resolve;
    });
    const order: string[] = [];
    const writing = fenced(db.sql, before.fence, async (tx) => {
      began();
      await finished;
      await tx`update mirror_data.counters set n = 7 where name = 'users'`;
      order.push("written");
    });
    await begun;
    const taking = db.database.primary.sql.begin(async (tx) => {
      await tx`set local lock_timeout = '100ms'`;
      await tx`update mirror_data.leases set epoch = epoch + 1`;
    });
    await expect(taking).rejects.toMatchObject({ code: "55P03" });
    finish();
    await writing;
    await expire(db.sql);
    const next = await acquired(leaseOf(db.sql));
    order.push("taken");
    expect(order).toEqual(["written", "taken"]);
    await Promise.all([before.release(), next.release()]);
  });

  test("ends a transaction whose process stopped in the middle, and plans its statements once", async ({
    db,
  }) => {
    const held = await acquired(leaseOf(db.sql));
    const settings = await fenced(
      db.sql,
      held.fence,
      (tx) =>
        tx`select current_setting('idle_in_transaction_session_timeout') as idle, current_setting('plan_cache_mode') as plans`,
    );
    expect(settings).toEqual([{ idle: "5s", plans: "force_generic_plan" }]);
    // Of this transaction alone.
    expect(await db.sql`show plan_cache_mode`).toEqual([{ plan_cache_mode: "auto" }]);
    await held.release();
  });

  test("is taken at once from a process that died on this machine, not from one elsewhere", async ({
    db,
  }) => {
    const held = await acquired(leaseOf(db.sql));
    const [row] = await db.sql<{ holder: string }[]>`select holder from mirror_data.leases`;
    const [host, space] = (row?.holder ?? "").split("/");
    const heldBy = (holder: string) => db.sql`update mirror_data.leases set holder = ${holder}`;
    await heldBy(`${host}/elsewhere/4000000/abcd/1`);
    expect(await leaseOf(db.sql).acquire()).toBeNull();
    await heldBy(`${host}/${space}/${process.ppid}/abcd/1`);
    expect(await leaseOf(db.sql).acquire()).toBeNull();
    // Above the highest id that Linux gives.
    await heldBy(`${host}/${space}/4194305/abcd/1`);
    const next = await acquired(leaseOf(db.sql));
    await Promise.all([held.release(), next.release()]);
  });
});
