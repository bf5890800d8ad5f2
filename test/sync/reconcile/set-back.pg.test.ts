// Covers src/sync/reconcile/{deletions,check}.ts, src/sync/ledger/{proof,lease}.ts

import { afterEach, beforeEach, describe, expect } from "vitest";
import { silentLogger } from "../../../src/observability/logger.js";
import { type Sandbox, startSandbox } from "../../../src/sandbox/server.js";
import { applyItems } from "../../../src/sync/apply/apply.js";
import { gone } from "../../../src/sync/fold/snapshot.js";
import { createLease } from "../../../src/sync/ledger/lease.js";
import { queueRefetches } from "../../../src/sync/ledger/refetch-queue.js";
import { type TestDatabase, test } from "../../support/database.js";
import { walksOver } from "../../support/walks.js";

/** What was written before a clock was set back by so much lies so far in the future afterwards. */
const SIX_HOURS = 6 * 3_600_000;

let sandbox: Sandbox;
beforeEach(async () => {
  sandbox = await startSandbox({ users: 20, organizations: 2, clockMs: 1_750_000_000_000 });
});
afterEach(() => sandbox.close());

const firstUser = () => String(sandbox.clerk.users()[0]?.id);
const live = async ({ sql }: TestDatabase) =>
  (await sql`select id from mirror_data.users where payload is not null`).length;
const proofs = async ({ sql }: TestDatabase) => {
  const [row] = await sql<{ as_of: number | null; memberships_as_of: number | null }[]>`
    select as_of, memberships_as_of from mirror_data.upstream`;
  return { users: row?.as_of ?? 0, memberships: row?.memberships_as_of ?? 0 };
};

describe("when the clock was set back by six hours", () => {
  test("checks go on at their interval", async ({ db }) => {
    let backMs = 0;
    const { walks } = await walksOver(db, sandbox, { intervalMs: 50, now: () => Date.now() - backMs });
    const stop = new AbortController();
    const checks = async () =>
      (
        await db.sql`
          select from mirror_data.runs where mode = 'incremental' and state = 'succeeded'`
      ).length;
    const running = walks.run(stop.signal);
    await expect.poll(checks, { timeout: 30_000 }).toBeGreaterThan(1);
    backMs = SIX_HOURS;
    const before = await checks();
    await expect.poll(checks, { timeout: 30_000 }).toBeGreaterThan(before + 2);
    stop.abort();
    await running;
  });

  test("a lease that seems to last for hours is free", async ({ db }) => {
    const leaseOf = () => createLease({ sql: db.sql, log: silentLogger(), renewMs: 3_600_000 });
    const held = await leaseOf().acquire();
    expect(await leaseOf().acquire()).toBeNull();
    await db.sql`update mirror_data.leases set expires_at = expires_at + ${SIX_HOURS}`;
    const next = await leaseOf().acquire();
    expect(next?.epoch).toBe((held?.epoch ?? 0) + 1);
    await next?.release();
    await held?.release();
  });

  test("a refetch is asked now, and its answer settles it", async ({ db }) => {
    const { refetch } = await walksOver(db, sandbox);
    await queueRefetches(db.sql, [{ kind: "user", id: firstUser(), reason: "write_in_doubt" }]);
    await db.sql`update mirror_data.refetches set since = since + ${SIX_HOURS}, next_at = next_at + ${SIX_HOURS}`;
    expect(await refetch()).toBe(1);
    expect(await db.sql`select from mirror_data.refetches`).toHaveLength(0);
    expect(await live(db)).toBe(1);
  });

  test("a tombstone from before is contradicted, and undone where Clerk says so", async ({ db }) => {
    const { backfill, full, refetch } = await walksOver(db, sandbox);
    await backfill();
    const organizationId = String(sandbox.clerk.organizations()[0]?.id);
    const at = Date.now() + SIX_HOURS;
    await applyItems(
      db.sql,
      [{ users: [gone(firstUser(), "webhook", at)], organizations: [gone(organizationId, "webhook", at)] }],
      { lagMs: 0 },
    );
    await db.sql`update mirror_data.users set contradicted_at = ${at} where deleted_at is not null`;
    await db.sql`update mirror_data.organizations set observed_at = ${at} where deleted_at is not null`;
    expect(await live(db)).toBe(19);
    await full();
    await refetch();
    expect(await live(db)).toBe(20);
    expect(await db.sql`select from mirror_data.organizations where payload is not null`).toHaveLength(2);
  });

  test("a deletion that was lost is found at once, of whomever was heard of last", async ({ db }) => {
    const { backfill, full } = await walksOver(db, sandbox, { lagMs: 1 });
    await backfill();
    const at = Date.now() + SIX_HOURS;
    for (const table of ["users", "organizations", "organization_memberships"]) {
      await db.sql`update ${db.sql(`mirror_data.${table}`)} set observed_at = ${at}`;
    }
    sandbox.clerk.deleteUser(firstUser());
    expect(await full()).toMatchObject({ state: "succeeded", differences: { missed_delete: 1 } });
    expect(await live(db)).toBe(19);
  });

  test("a doubt from before keeps the proof from moving, and a proof from before is taken back", async ({
    db,
  }) => {
    const { backfill, full } = await walksOver(db, sandbox);
    await backfill();
    const before = await proofs(db);
    await queueRefetches(db.sql, [{ kind: "organization", id: "org_2nobody", reason: "dead_letter" }]);
    await db.sql`update mirror_data.refetches set since = since + ${SIX_HOURS}`;
    await full();
    expect(await proofs(db)).toEqual(before);
    await db.sql`delete from mirror_data.refetches`;
    await db.sql`
      update mirror_data.upstream set as_of = as_of + ${SIX_HOURS}, memberships_as_of = memberships_as_of + ${SIX_HOURS}`;
    await full();
    const after = await proofs(db);
    for (const part of ["users", "memberships"] as const) {
      expect(after[part]).toBeGreaterThan(before[part]);
      expect(after[part]).toBeLessThanOrEqual(Date.now());
    }
  });
});
