// Covers src/sync/reconcile/{check,locate-drift,deletions,bounds,guards}.ts, src/sync/ledger/proof.ts

import fc from "fast-check";
import { afterEach, describe, expect } from "vitest";
import { type Sandbox, type SandboxOptions, startSandbox } from "../../../src/sandbox/server.js";
import { applyItems } from "../../../src/sync/apply/apply.js";
import { gone, userSnapshot } from "../../../src/sync/fold/snapshot.js";
import { queueRefetches } from "../../../src/sync/ledger/refetch-queue.js";
import type { ClerkApi } from "../../../src/upstream/users.js";
import { type TestDatabase, test } from "../../support/database.js";
import { clerkUsers, storedUsers, walksOver } from "../../support/walks.js";

const sandboxes: Sandbox[] = [];
afterEach(async () => {
  for (const sandbox of sandboxes.splice(0)) await sandbox.close();
});

async function started(options: SandboxOptions = {}): Promise<Sandbox> {
  const sandbox = await startSandbox({ users: 300, clockMs: 1_750_000_000_000, ...options });
  sandboxes.push(sandbox);
  return sandbox;
}

const idAt = (sandbox: Sandbox, n: number) => String(sandbox.clerk.users()[n]?.id);
const asOf = async ({ sql }: TestDatabase) =>
  (await sql<{ as_of: number | null }[]>`select as_of from mirror_data.upstream`)[0]?.as_of ?? null;

/** As if the mirror had never been told of this user: nothing of it is left. */
async function forget(db: TestDatabase, ids: readonly string[]): Promise<void> {
  for (const table of ["user_search", "user_grams", "user_activity", "user_metadata"]) {
    await db.sql`delete from ${db.sql(`mirror_data.${table}`)} where id in ${db.sql(ids)}`;
  }
  await db.sql`delete from mirror_data.user_identifiers where user_id in ${db.sql(ids)}`;
  await db.sql`delete from mirror_data.users where id in ${db.sql(ids)}`;
  await db.sql`update mirror_data.counters set n = n - ${ids.length} where name = 'users'`;
}

const deletedHere = (db: TestDatabase, id: string) =>
  applyItems(db.sql, [{ users: [gone(id, "webhook", Date.now())] }], { lagMs: 0 });

/** What halving may cost for one user among so many, beside looking, looking again and proving. */
const HALVING = (users: number) => Math.ceil(Math.log2(users / 500));

describe("a check where the counts differ", () => {
  test("finds one lost deletion among 5,000 users, asks about it, and deletes it", async ({ db }) => {
    const sandbox = await started({ users: 5000 });
    const { backfill, incremental } = await walksOver(db, sandbox);
    await backfill();
    const lost = idAt(sandbox, 1234);
    sandbox.clerk.deleteUser(lost);
    const run = await incremental();
    expect(run).toMatchObject({
      state: "succeeded",
      differences: { missed_create: 0, missed_update: 0, missed_delete: 1 },
      difference_ids: { missed_delete: [lost] },
    });
    // To look, to look again, the list of the place and the question about the user; and to prove it all.
    expect(run.requests).toBeLessThanOrEqual(3 + HALVING(5000) + 2 + 2);
    expect(await storedUsers(db)).toEqual(clerkUsers(sandbox));
  });

  test("finds users that came long ago and never arrived here", async ({ db }) => {
    const sandbox = await started({ users: 2000 });
    const { backfill, incremental } = await walksOver(db, sandbox);
    await backfill();
    const ids = [3, 900, 1700].map((n) => idAt(sandbox, n));
    await forget(db, ids);
    const run = await incremental();
    expect(run.differences).toEqual({ missed_create: 3, missed_update: 0, missed_delete: 0 });
    expect(run.difference_ids.missed_create?.toSorted()).toEqual(ids.toSorted());
    expect(await storedUsers(db)).toEqual(clerkUsers(sandbox));
  });

  test("walks everything where too many places differ, or everything is missing", async ({ db }) => {
    const sandbox = await started({ users: 8000 });
    const { backfill, incremental } = await walksOver(db, sandbox);
    await backfill();
    const users = sandbox.clerk.users().toSorted((a, b) => Number(a.created_at) - Number(b.created_at));
    await forget(
      db,
      users.filter((_, n) => n % 300 === 0).map(({ id }) => String(id)),
    );
    expect(await incremental()).toMatchObject({ state: "succeeded", differences: { missed_create: 27 } });
    await forget(
      db,
      users.map(({ id }) => String(id)),
    );
    expect(await incremental()).toMatchObject({ state: "succeeded" });
    expect(await storedUsers(db)).toEqual(clerkUsers(sandbox));
  }, 180_000);

  test("ends equal, whatever is missing and too many on either side", async ({ db }) => {
    const picks = fc.uniqueArray(fc.nat(299), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(picks, picks, picks, fc.boolean(), async (deleted, never, changed, allAtOnce) => {
        await db.truncate();
        const sandbox = await startSandbox({ users: 300, clockMs: 1_750_000_000_000 });
        try {
          if (allAtOnce) {
            for (let n = 0; n < 600; n++)
              sandbox.clerk.createUser({ created_at: "2024-01-01T00:00:00.000Z" });
          }
          const { backfill, incremental, full } = await walksOver(db, sandbox, { windowUsers: 50 });
          await backfill();
          const ids = sandbox.clerk.users().map(({ id }) => String(id));
          const unknown = never.map((n) => ids[n] ?? "");
          if (unknown.length > 0) await forget(db, unknown);
          for (const n of changed) sandbox.clerk.updateUser(ids[n] ?? "", { first_name: "Changed" });
          for (const n of deleted) sandbox.clerk.deleteUser(ids[n] ?? "");
          expect(await incremental()).toMatchObject({ state: "succeeded" });
          // Missing and too many at once cancel out in counts; it takes rows that vanished here to bring that about, and
          // only reading everything shows it.
          if (deleted.length > 0 && never.length > 0) await full();
          expect(await storedUsers(db)).toEqual(clerkUsers(sandbox));
        } finally {
          await sandbox.close();
        }
      }),
      { numRuns: 6 },
    );
  }, 120_000);

  test("stops at PURGE_LIMIT and deletes nobody", async ({ db }) => {
    const sandbox = await started();
    const { backfill, incremental } = await walksOver(db, sandbox, { purgeLimit: 0.05 });
    await backfill();
    for (const { id } of sandbox.clerk.users().slice(0, 40)) sandbox.clerk.deleteUser(String(id));
    const run = await incremental();
    expect(run).toMatchObject({ state: "stopped", differences: { missed_delete: 40 } });
    expect(run.error).toContain("--allow-purge");
    expect((await storedUsers(db)).size).toBe(300);
  });

  test("writes nothing when the key leads to another instance, whatever its counts", async ({ db }) => {
    const sandbox = await started();
    await (await walksOver(db, sandbox)).backfill();
    const before = await storedUsers(db);
    const other = await started({ users: 280, seed: 99 });
    const run = await (await walksOver(db, other)).incremental();
    expect([run.state, run.error]).toEqual(["failed", expect.stringContaining("another instance")]);
    expect(await storedUsers(db)).toEqual(before);
  });

  test("only says in a drift run what it would repair", async ({ db }) => {
    const sandbox = await started();
    const { backfill, drift } = await walksOver(db, sandbox);
    await backfill();
    expect((await drift()).differences).toEqual({ missed_create: 0, missed_update: 0, missed_delete: 0 });
    const { id } = sandbox.clerk.createUser({ first_name: "Missed" });
    sandbox.clerk.updateUser(idAt(sandbox, 1), { first_name: "Changed" });
    // This one is known as a webhook told it: nothing is missing.
    const told = sandbox.clerk.updateUser(idAt(sandbox, 2), { first_name: "Told" });
    await applyItems(db.sql, [{ users: [userSnapshot(told, "webhook", Date.now())] }], { lagMs: 0 });
    const lost = idAt(sandbox, 100);
    sandbox.clerk.deleteUser(lost);
    const before = await storedUsers(db);
    const run = await drift();
    expect(run.difference_ids).toEqual({
      missed_create: [id],
      missed_update: [idAt(sandbox, 1)],
      missed_delete: [lost],
    });
    expect(await storedUsers(db)).toEqual(before);
  });
});

describe("a deletion that was wrong", () => {
  test("is found by a check, asked about, and undone", async ({ db }) => {
    const sandbox = await started();
    const { backfill, incremental, refetch } = await walksOver(db, sandbox);
    await backfill();
    await applyItems(db.sql, [{ users: [gone(idAt(sandbox, 7), "webhook", Date.now() - 1)] }], { lagMs: 0 });
    expect((await storedUsers(db)).size).toBe(299);
    await incremental();
    expect(await db.sql`select id, reason from mirror_data.refetches`).toEqual([
      { id: idAt(sandbox, 7), reason: "contradicted" },
    ]);
    await refetch();
    expect(await storedUsers(db)).toEqual(clerkUsers(sandbox));
  });

  test("stays where the user was erased on purpose", async ({ db }) => {
    const sandbox = await started();
    const { backfill, incremental, full, refetch } = await walksOver(db, sandbox);
    await backfill();
    await applyItems(db.sql, [{ users: [gone(idAt(sandbox, 7), "webhook", Date.now() - 1)] }], { lagMs: 0 });
    await db.sql`update mirror_data.users set erased = true where deleted_at is not null`;
    await incremental();
    await full();
    await queueRefetches(db.sql, [{ kind: "user", id: idAt(sandbox, 7), reason: "test" }]);
    await refetch();
    expect((await storedUsers(db)).has(idAt(sandbox, 7))).toBe(false);
    expect((await storedUsers(db)).size).toBe(299);
  });
});

describe("the proof", () => {
  const proving = async (db: TestDatabase, sandbox: Sandbox, api?: (api: ClerkApi) => ClerkApi) => {
    const walks = await walksOver(db, sandbox, { ...(api && { api }) });
    await walks.backfill();
    return { ...walks, before: (await asOf(db)) ?? Number.NaN };
  };

  test("moves with each check that finds everything as it should be", async ({ db }) => {
    const sandbox = await started();
    const { incremental, before } = await proving(db, sandbox);
    await incremental();
    const first = (await asOf(db)) ?? 0;
    expect(first).toBeGreaterThan(before);
    await incremental();
    expect(await asOf(db)).toBeGreaterThan(first);
  });

  /** Somebody was just deleted, which nothing told the mirror, and Clerk's counts trail. */
  const losing = async (db: TestDatabase) => {
    const sandbox = await startSandbox({ users: 300 });
    sandboxes.push(sandbox);
    const walks = await walksOver(db, sandbox, { lagMs: 400 });
    await walks.backfill();
    sandbox.setCountLag(300);
    const lost = idAt(sandbox, 3);
    const deletedAtMs = Date.now();
    sandbox.clerk.deleteUser(lost);
    return { sandbox, walks, lost, deletedAtMs };
  };

  test("doesn't move past a deletion that Clerk's counts don't show yet", async ({ db }) => {
    const { walks, lost, deletedAtMs } = await losing(db);
    for (;;) {
      await walks.incremental();
      const isHere = (await storedUsers(db)).has(lost);
      if (!isHere) break;
      expect((await asOf(db)) ?? 0).toBeLessThan(deletedAtMs);
    }
  });

  test("doesn't move past a lost deletion because counts still hold somebody of whose deletion the mirror knows", async ({
    db,
  }) => {
    const { sandbox, walks, lost, deletedAtMs } = await losing(db);
    for (let checks = 0; (await storedUsers(db)).has(lost); checks++) {
      expect((await asOf(db)) ?? 0).toBeLessThan(deletedAtMs);
      const heard = idAt(sandbox, 4 + checks);
      sandbox.clerk.deleteUser(heard);
      await deletedHere(db, heard);
      await walks.incremental();
    }
    expect([...(await storedUsers(db)).keys()].sort()).toEqual([...clerkUsers(sandbox).keys()].sort());
  });

  test("doesn't move where Clerk can't say whom it still counts", async ({ db }) => {
    const sandbox = await started();
    const { before } = await proving(db, sandbox);
    const { incremental } = await walksOver(db, sandbox, {
      lagMs: 1000,
      api: (api) => ({ ...api, countUsers: ({ userIds: _, ...query }, call) => api.countUsers(query, call) }),
    });
    const heard = idAt(sandbox, 4);
    sandbox.clerk.deleteUser(heard);
    await deletedHere(db, heard);
    expect(await incremental()).toMatchObject({ state: "succeeded", differences: {} });
    expect(await asOf(db)).toBe(before);
  });

  test("doesn't move for a lost creation and a lost deletion that cancel out: both are found", async ({
    db,
  }) => {
    const sandbox = await started();
    const { incremental } = await proving(db, sandbox);
    const lost = idAt(sandbox, 3);
    sandbox.clerk.deleteUser(lost);
    const { id } = sandbox.clerk.createUser({ first_name: "Missed", created_at: "2024-01-01T00:00:00.000Z" });
    expect(await incremental()).toMatchObject({
      difference_ids: { missed_create: [id], missed_delete: [lost] },
    });
    expect(await storedUsers(db)).toEqual(clerkUsers(sandbox));
  });

  test("doesn't move when a deletion that is heard of meanwhile hides one that was lost", async ({ db }) => {
    const sandbox = await started();
    await (await walksOver(db, sandbox)).backfill();
    const [lost, heard] = [idAt(sandbox, 3), idAt(sandbox, 4)];
    sandbox.clerk.deleteUser(lost);
    let counted = 0;
    const { incremental } = await walksOver(db, sandbox, {
      api: (api) => ({
        ...api,
        async countUsers(query, call) {
          const n = await api.countUsers(query, call);
          if (counted++ === 0) {
            sandbox.clerk.deleteUser(heard);
            await deletedHere(db, heard);
          }
          return n;
        },
      }),
    });
    expect(await incremental()).toMatchObject({ difference_ids: { missed_delete: [lost] } });
    expect(await storedUsers(db)).toEqual(clerkUsers(sandbox));
  });

  test("doesn't move while a refetch or a dead letter from before is open, and moves when it is settled", async ({
    db,
  }) => {
    const sandbox = await started();
    const { incremental, refetch, before } = await proving(db, sandbox);
    await queueRefetches(db.sql, [{ kind: "user", id: idAt(sandbox, 1), reason: "test" }]);
    await incremental();
    expect(await asOf(db)).toBe(before);
    await refetch();
    await db.sql`
      insert into mirror_data.dead_letters (id, payload, error, received_at, tried_at)
      values ('msg_1', '', '', ${Date.now()}, 0)`;
    await incremental();
    expect(await asOf(db)).toBe(before);
    await db.sql`delete from mirror_data.dead_letters`;
    await incremental();
    expect(await asOf(db)).toBeGreaterThan(before);
  });

  test("is taken back to a late webhook of somebody it was given without, and given again by the next check", async ({
    db,
  }) => {
    const sandbox = await started();
    const { incremental, before } = await proving(db, sandbox);
    const [known] = sandbox.clerk.users();
    const late = (id: string, updated_at: number) =>
      applyItems(
        db.sql,
        [{ users: [userSnapshot({ ...known, id, created_at: 1000, updated_at }, "webhook", Date.now())] }],
        { lagMs: 0 },
      );
    await late("user_newer", before + 1);
    await late(String(known?.id), Number(known?.updated_at) - 1);
    expect(await asOf(db)).toBe(before);

    // It was created and deleted while nothing reached the mirror, and of its deletion no webhook ever came.
    await late("user_gone", before - 5000);
    expect((await storedUsers(db)).has("user_gone")).toBe(true);
    expect(await asOf(db)).toBe(before - 5000);
    await incremental();
    expect(await storedUsers(db)).toEqual(clerkUsers(sandbox));
    expect(await asOf(db)).toBeGreaterThan(before);
  });

  test("doesn't move when the pages leave a gap", async ({ db }) => {
    const sandbox = await started({ users: 1500 });
    await (await walksOver(db, sandbox)).backfill();
    const before = await asOf(db);
    for (const { id } of sandbox.clerk.users()) sandbox.clerk.updateUser(String(id), { last_name: "All" });
    // Each page but the first lacks the rows that it should share with the one before.
    const { incremental } = await walksOver(db, sandbox, {
      api: (api) => ({
        ...api,
        async listUsers(query, call) {
          const page = await api.listUsers(query, call);
          return { ...page, items: page.items.slice(query.offset ? 10 : 0) };
        },
      }),
    });
    const run = await incremental();
    expect([run.state, run.error]).toEqual(["failed", expect.stringContaining("kept changing")]);
    expect(await asOf(db)).toBe(before);
  });

  test("doesn't move where the counts go on differing", async ({ db }) => {
    const sandbox = await started();
    const { before } = await proving(db, sandbox);
    const { incremental } = await walksOver(db, sandbox, {
      api: (api) => ({
        ...api,
        countUsers: async (query, call) =>
          (await api.countUsers(query, call)) + Number(!query.createdAtAfter),
      }),
    });
    expect(await incremental()).toMatchObject({ state: "succeeded" });
    expect(await asOf(db)).toBe(before);
    expect(await storedUsers(db)).toEqual(clerkUsers(sandbox));
  });

  test("of memberships is their own, and moves with whole walks alone", async ({ db }) => {
    const sandbox = await started({ organizations: 3 });
    const { incremental, full } = await proving(db, sandbox);
    const proved = async () =>
      (await db.sql<{ at: number }[]>`select memberships_as_of as at from mirror_data.upstream`)[0]?.at ?? 0;
    const before = await proved();
    expect(before).toBeGreaterThan(0);
    await incremental();
    expect(await proved()).toBe(before);
    await full();
    expect(await proved()).toBeGreaterThan(before);
  });

  test("of a backfill that was resumed is as old as its beginning", async ({ db }) => {
    const sandbox = await started({ users: 1500 });
    const error = { errors: [{ message: "", long_message: "", code: "clerk_key_invalid" }] };
    sandbox.faults.add({ match: "GET /v1/users$", after: 5, times: 1, status: 401, body: error });
    const { backfill } = await walksOver(db, sandbox);
    expect(await backfill()).toMatchObject({ state: "failed" });
    const begun = (await backfill()).started_at;
    expect(await asOf(db)).toBe(begun);
  });
});
