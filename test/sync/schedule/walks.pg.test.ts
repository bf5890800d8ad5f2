// Covers src/sync/schedule/{leader,scheduler,runner}.ts,
// src/sync/reconcile/{backfill,full,check,prepare,unchanged,run-context}.ts, src/sync/ledger/upstream-identity.ts

import { afterEach, describe, expect } from "vitest";
import type { Sql } from "../../../src/db/connection/sql.js";
import { FOLDED_TABLES } from "../../../src/db/tables/registry.js";
import { type Sandbox, type SandboxOptions, startSandbox } from "../../../src/sandbox/server.js";
import { applyItems } from "../../../src/sync/apply/apply.js";
import { userSnapshot } from "../../../src/sync/fold/snapshot.js";
import { ensureUpstreamIdentity } from "../../../src/sync/ledger/upstream-identity.js";
import { test } from "../../support/database.js";
import { clerkUsers, storedUsers, walksOver } from "../../support/walks.js";

const sandboxes: Sandbox[] = [];
afterEach(async () => {
  for (const sandbox of sandboxes.splice(0)) await sandbox.close();
});

async function started(options: SandboxOptions = {}): Promise<Sandbox> {
  const sandbox = await startSandbox({
    users: 1200,
    organizations: 4,
    clockMs: 1_750_000_000_000,
    ...options,
  });
  sandboxes.push(sandbox);
  return sandbox;
}

/** With a clock that runs: under one that stands still lockouts end later, the later one looks. */
async function running({ users }: { users: number }): Promise<Sandbox> {
  const sandbox = await startSandbox({ users, organizations: 4 });
  sandboxes.push(sandbox);
  return sandbox;
}

const listed = (sandbox: Sandbox) =>
  sandbox.requests.filter(({ path, search }) => path === "/v1/users" && search.includes("limit=500"));
const idAt = (sandbox: Sandbox, n: number) => String(sandbox.clerk.users()[n]?.id);
const oldestFirst = (sandbox: Sandbox) =>
  sandbox.clerk
    .users()
    .sort((a, b) => Number(a.created_at) - Number(b.created_at) || (String(a.id) < String(b.id) ? -1 : 1));

async function expectEqual(sql: Sql, db: Parameters<typeof storedUsers>[0], sandbox: Sandbox): Promise<void> {
  expect(await storedUsers(db)).toEqual(clerkUsers(sandbox));
  const memberships = await sql<{ id: string }[]>`select id from mirror.organization_memberships order by id`;
  expect(memberships.map(({ id }) => id)).toEqual(
    sandbox.clerk
      .memberships()
      .map(({ id }) => id)
      .sort(),
  );
  const organizations = await sql<{ id: string; name: string }[]>`select id, name from mirror.organizations`;
  expect(new Map(organizations.map(({ id, name }) => [id, name]))).toEqual(
    new Map(sandbox.clerk.organizations().map(({ id, name }) => [id, name])),
  );
  const counters = await sql<{ n: number }[]>`select n from mirror_data.counters where name = 'users'`;
  expect(counters[0]?.n).toBe(sandbox.clerk.users().length);
}

describe("a backfill", () => {
  test("ends with all users, organizations and memberships, field by field, and the mirror complete", async ({
    db,
  }) => {
    const sandbox = await started();
    const { backfill } = await walksOver(db, sandbox);
    const run = await backfill();
    expect(run).toMatchObject({
      state: "succeeded",
      users: { seen: 1200, expected: 1200 },
      windows: { total: 3, done: 3 },
    });
    await expectEqual(db.sql, db, sandbox);
    const [upstream] = await db.sql`select backfilled_at, as_of from mirror_data.upstream`;
    expect(upstream?.backfilled_at).toBeGreaterThan(0);
    expect(upstream?.as_of).toBeGreaterThan(0);
  });

  test("goes on behind a cursor that was deleted under it, and leaves nobody out", async ({ db }) => {
    const sandbox = await started();
    sandbox.walkFaults.cursorDeletions = 1;
    const { backfill, full } = await walksOver(db, sandbox);
    expect(await backfill()).toMatchObject({ state: "succeeded" });
    expect(await full()).toMatchObject({
      differences: { missed_create: 0, missed_update: 0, missed_delete: 1 },
    });
    await expectEqual(db.sql, db, sandbox);
  });

  test("walks an upstream without cursors by offset, while users are deleted behind it", async ({ db }) => {
    const sandbox = await started({ cursorPaging: false });
    let pages = 0;
    sandbox.onListPage = (query) => {
      if (query.get("limit") === "500" && ++pages === 3)
        for (const user of oldestFirst(sandbox).slice(0, 40)) sandbox.clerk.deleteUser(String(user.id));
    };
    const { backfill, full } = await walksOver(db, sandbox);
    expect(await backfill()).toMatchObject({ state: "succeeded" });
    expect(listed(sandbox).some(({ search }) => search.includes("offset="))).toBe(true);
    await full();
    await expectEqual(db.sql, db, sandbox);
  });

  test("gets through rate limits, errors and cut connections", async ({ db }) => {
    const sandbox = await started();
    sandbox.faults.add({ match: "GET /v1/users$", times: 1, status: 429, retryAfter: 1 });
    sandbox.faults.add({ match: "GET /v1/users$", times: 2, status: 500, body: "<html>" });
    sandbox.faults.add({ match: "GET /v1/users$", times: 1, cut: "before" });
    sandbox.faults.add({ match: "memberships", times: 1, cut: "after" });
    const { backfill } = await walksOver(db, sandbox);
    expect(await backfill()).toMatchObject({ state: "succeeded" });
    await expectEqual(db.sql, db, sandbox);
  });

  test("keeps a user that can't be stored as a dead letter, and takes all others", async ({ db }) => {
    const sandbox = await started({ users: 30 });
    const poison = idAt(sandbox, 7);
    const { backfill } = await walksOver(db, sandbox, {
      api: (api) => ({
        ...api,
        listUsers: async (...args) => {
          const page = await api.listUsers(...args);
          const broken = (item: unknown) => {
            const user = item as { id: string; created_at: unknown };
            return user.id === poison ? { ...user, updated_at: null } : user;
          };
          return { ...page, items: page.items.map(broken) };
        },
      }),
    });
    expect(await backfill()).toMatchObject({ state: "succeeded" });
    expect((await storedUsers(db)).size).toBe(29);
    const letters = await db.sql`select id, user_id from mirror_data.dead_letters`;
    expect(letters).toEqual([{ id: `walk:${poison}`, user_id: poison }]);
    // An open dead letter is a user who may be wrong here: nothing is proved.
    const [upstream] = await db.sql`select as_of from mirror_data.upstream`;
    expect(upstream?.as_of).toBeNull();

    const { full } = await walksOver(db, sandbox);
    await full();
    expect(await db.sql`select from mirror_data.dead_letters`).toEqual([]);
    await expectEqual(db.sql, db, sandbox);
  });

  test("does without organizations where the instance has none", async ({ db }) => {
    const sandbox = await started({ users: 10, organizations: 0 });
    sandbox.faults.add({
      match: "organization",
      status: 403,
      body: { errors: [{ message: "", long_message: "", code: "organization_not_enabled_in_instance" }] },
    });
    const { backfill } = await walksOver(db, sandbox);
    expect(await backfill()).toMatchObject({ state: "succeeded" });
  });

  test("resumes an earlier one that failed, with fewer pages than from the start", async ({ db }) => {
    const sandbox = await started({ users: 2600 });
    sandbox.faults.add({
      match: "GET /v1/users$",
      // Three lists are looked at before the first page.
      after: 3 + 4,
      times: 1,
      status: 401,
      body: { errors: [{ message: "", long_message: "", code: "clerk_key_invalid" }] },
    });
    const { backfill } = await walksOver(db, sandbox);
    const failed = await backfill();
    expect(failed).toMatchObject({ state: "failed", users: { seen: 2000 } });
    expect(failed.error).toContain("CLERK_SECRET_KEY");
    const before = listed(sandbox).length;
    expect(await backfill()).toMatchObject({ id: failed.id, state: "succeeded" });
    expect(listed(sandbox).length - before).toBe(2);
    await expectEqual(db.sql, db, sandbox);
  });
});

describe("a full run", () => {
  test("repairs what webhooks lost and says what it was", async ({ db }) => {
    const sandbox = await started();
    const { backfill, full } = await walksOver(db, sandbox);
    await backfill();
    const [organization] = sandbox.clerk.organizations();
    sandbox.clerk.createUser({ first_name: "Missed", created_at: "2020-01-01T00:00:00Z" });
    sandbox.clerk.updateUser(idAt(sandbox, 3), { first_name: "Changed" });
    sandbox.clerk.updateMetadata(idAt(sandbox, 4), { private_metadata: { changed: true } });
    for (const n of [10, 20, 30]) sandbox.clerk.deleteUser(idAt(sandbox, n));
    sandbox.clerk.touchActivity(idAt(sandbox, 5));
    const left = sandbox.clerk.memberships()[0] as Record<"organization", { id: string }> &
      Record<"public_user_data", { user_id: string }>;
    sandbox.clerk.deleteMembership(left.organization.id, left.public_user_data.user_id);
    sandbox.clerk.updateOrganization(String(organization?.id), { name: "Renamed" });
    sandbox.clerk.deleteOrganization(String(sandbox.clerk.organizations()[2]?.id));
    sandbox.clerk.createOrganization({ name: "New", created_by: idAt(sandbox, 50) });
    const run = await full();
    expect(run).toMatchObject({
      state: "succeeded",
      differences: { missed_create: 1, missed_update: 2, missed_delete: 3 },
    });
    await expectEqual(db.sql, db, sandbox);
  });

  test("writes nothing at all when nothing has changed", async ({ db }) => {
    const sandbox = await running({ users: 700 });
    const { backfill, full } = await walksOver(db, sandbox, { windowUsers: 100 });
    await backfill();
    const before = await versions(db.sql);
    expect(await full()).toMatchObject({ state: "succeeded", windows: { done: 9 } });
    expect(await versions(db.sql)).toEqual(before);
  });

  test("doesn't delete a user whom the list leaves out and Clerk still knows", async ({ db }) => {
    const sandbox = await started({ users: 40 });
    const hidden = idAt(sandbox, 11);
    const { backfill } = await walksOver(db, sandbox);
    await backfill();
    const { full } = await walksOver(db, sandbox, {
      api: (api) => ({
        ...api,
        listUsers: async (query, call) => {
          const page = await api.listUsers(query, call);
          const items = page.items.filter((item) => query.userIds || (item as { id: string }).id !== hidden);
          return { ...page, items };
        },
      }),
    });
    expect(await full()).toMatchObject({ state: "succeeded", differences: { missed_delete: 0 } });
    await expectEqual(db.sql, db, sandbox);
  });

  test("asks about each user alone when a list of them proves nothing", async ({ db }) => {
    const sandbox = await started({ users: 40 });
    const { backfill } = await walksOver(db, sandbox);
    await backfill();
    const gone = [3, 4, 5].map((n) => idAt(sandbox, n));
    for (const id of gone) sandbox.clerk.deleteUser(id);
    const { full } = await walksOver(db, sandbox, {
      // An upstream that ignores the filter by id shows users that weren't asked for.
      api: (api) => ({ ...api, listUsers: ({ userIds: _, ...query }, call) => api.listUsers(query, call) }),
    });
    expect(await full()).toMatchObject({ state: "succeeded", differences: { missed_delete: 3 } });
    expect(
      sandbox.requests.filter(({ path, status }) => gone.includes(path.slice(10)) && status === 404),
    ).toHaveLength(3);
    await expectEqual(db.sql, db, sandbox);
  });

  test("waits until Clerk's lists have caught up before it deletes", async ({ db }) => {
    const sandbox = await started({ users: 40 });
    const { backfill, full } = await walksOver(db, sandbox, { lagMs: 300 });
    await backfill();
    sandbox.clerk.deleteUser(idAt(sandbox, 3));
    expect(await full()).toMatchObject({ differences: { missed_delete: 1 } });
    const [row] =
      await db.sql`select deleted_at - (select started_at from mirror_data.runs where mode = 'backfill') as ms
      from mirror_data.users where deleted_at is not null`;
    expect(row?.ms).toBeGreaterThanOrEqual(300);
  });

  test("stops where it would delete more than PURGE_LIMIT, and deletes when allowed to", async ({ db }) => {
    const sandbox = await started({ users: 200 });
    const { backfill, full } = await walksOver(db, sandbox, { purgeLimit: 0.05 });
    await backfill();
    for (const user of sandbox.clerk.users().slice(0, 30)) sandbox.clerk.deleteUser(String(user.id));
    const run = await full();
    expect(run.state).toBe("stopped");
    expect(run.error).toContain("--allow-purge");
    expect((await storedUsers(db)).size).toBe(200);
    expect(await full(true)).toMatchObject({ state: "succeeded", differences: { missed_delete: 30 } });
    await expectEqual(db.sql, db, sandbox);
  });

  test("adds up what reconciles deleted within a day", async ({ db }) => {
    const sandbox = await started({ users: 200 });
    const { backfill, full } = await walksOver(db, sandbox, { purgeLimit: 0.05 });
    await backfill();
    for (const user of sandbox.clerk.users().slice(0, 15)) sandbox.clerk.deleteUser(String(user.id));
    expect(await full()).toMatchObject({ state: "succeeded", differences: { missed_delete: 15 } });
    for (const user of sandbox.clerk.users().slice(0, 6)) sandbox.clerk.deleteUser(String(user.id));
    expect((await full()).state).toBe("stopped");
  });

  test("writes nothing when the key leads to another instance", async ({ db }) => {
    const sandbox = await started({ users: 50 });
    await (await walksOver(db, sandbox)).backfill();
    const before = await versions(db.sql);
    const other = await started({ users: 50, seed: 99 });
    const run = await (await walksOver(db, other)).full();
    expect(run.state).toBe("failed");
    expect(run.error).toContain("another instance");
    expect(await versions(db.sql)).toEqual(before);
  });

  test("says in a dry run what it would do, and does nothing", async ({ db }) => {
    const sandbox = await started({ users: 60 });
    const { backfill, dryRun } = await walksOver(db, sandbox);
    await backfill();
    sandbox.clerk.createUser({});
    sandbox.clerk.updateUser(idAt(sandbox, 1), { first_name: "Changed" });
    sandbox.clerk.deleteUser(idAt(sandbox, 2));
    const before = await versions(db.sql);
    const run = await dryRun();
    expect(run.differences).toEqual({ missed_create: 1, missed_update: 1, missed_delete: 1 });
    expect(await versions(db.sql)).toEqual(before);
  });
});

describe("an incremental run", () => {
  test("heals creations and updates whose webhooks were lost, whatever webhooks came after them", async ({
    db,
  }) => {
    const sandbox = await started({ users: 700 });
    const { backfill, incremental } = await walksOver(db, sandbox);
    await backfill();
    sandbox.clerk.createUser({ first_name: "Missed", created_at: "2019-01-01T00:00:00Z" });
    sandbox.clerk.updateUser(idAt(sandbox, 3), { first_name: "Changed" });
    // This one's webhook arrived: what it says is newer than what was missed.
    const later = sandbox.clerk.updateUser(idAt(sandbox, 4), { first_name: "Later" });
    await applyItems(db.sql, [{ users: [userSnapshot(later, "webhook", Date.now())] }], { lagMs: 0 });
    const asked = sandbox.requests.length;
    const run = await incremental();
    expect(run).toMatchObject({
      state: "succeeded",
      differences: { missed_create: 1, missed_update: 1, missed_delete: 0 },
    });
    expect(sandbox.requests.length - asked).toBe(2);
    await expectEqual(db.sql, db, sandbox);
  });

  test("moves the proof forward and writes no user when nothing has changed", async ({ db }) => {
    const sandbox = await running({ users: 100 });
    const { backfill, incremental } = await walksOver(db, sandbox);
    await backfill();
    await incremental();
    const before = await versions(db.sql);
    const proof = async () => Number((await db.sql`select as_of from mirror_data.upstream`)[0]?.as_of);
    const proved = await proof();
    expect(await incremental()).toMatchObject({ state: "succeeded", requests: 2 });
    expect(await versions(db.sql)).toEqual(before);
    expect(await proof()).toBeGreaterThan(proved);
  });

  test("proves nothing where nothing was proved before", async ({ db }) => {
    const sandbox = await started({ users: 10 });
    const { backfill, incremental } = await walksOver(db, sandbox);
    await backfill();
    await db.sql`update mirror_data.upstream set as_of = null`;
    await incremental();
    expect(await db.sql`select as_of from mirror_data.upstream`).toEqual([{ as_of: null }]);
  });

  test("becomes a full run where no walk has left a watermark", async ({ db }) => {
    const sandbox = await started({ users: 50 });
    const { incremental } = await walksOver(db, sandbox);
    expect(await incremental()).toMatchObject({ state: "succeeded", differences: { missed_create: 50 } });
    await expectEqual(db.sql, db, sandbox);
  });

  test("that fails leaves the watermark where it was", async ({ db }) => {
    const sandbox = await started({ users: 1200 });
    const { backfill, incremental } = await walksOver(db, sandbox);
    await backfill();
    for (const user of sandbox.clerk.users())
      sandbox.clerk.updateUser(String(user.id), { last_name: "Moved" });
    sandbox.faults.add({
      match: "GET /v1/users$",
      after: 1,
      times: 1,
      status: 401,
      body: { errors: [{ message: "", long_message: "", code: "clerk_key_invalid" }] },
    });
    expect(await incremental()).toMatchObject({ state: "failed" });
    expect(await incremental()).toMatchObject({ state: "succeeded" });
    await expectEqual(db.sql, db, sandbox);
  });
});

describe("the identity of the upstream", () => {
  const held = { apiUrl: "https://a.test", environment: "test", instanceId: "ins_1" } as const;

  test.for([
    [{ apiUrl: "https://b.test" }, "CLERK_API_URL"],
    [{ environment: "live" as const }, "CLERK_SECRET_KEY"],
    [{ instanceId: "ins_2" }, "instance"],
  ] as const)("refuses another one: %o", async ([change, named], { db }) => {
    await ensureUpstreamIdentity(db.sql, held);
    await ensureUpstreamIdentity(db.sql, held);
    const refused = ensureUpstreamIdentity(db.sql, { ...held, ...change });
    await expect(refused).rejects.toThrow(named);
    await expect(refused).rejects.toMatchObject({
      code: "configuration",
      message: expect.stringContaining("user-mirror rebuild"),
    });
  });

  test("learns the instance when Clerk says it later", async ({ db }) => {
    await ensureUpstreamIdentity(db.sql, { ...held, instanceId: null });
    await ensureUpstreamIdentity(db.sql, held);
    await expect(ensureUpstreamIdentity(db.sql, { ...held, instanceId: "ins_2" })).rejects.toThrow(
      "instance",
    );
    await ensureUpstreamIdentity(db.sql, { ...held, instanceId: null });
  });
});

/** The versions of all rows about users and organizations: a row that was written again has another. */
async function versions(sql: Sql): Promise<unknown[]> {
  const tables = [...Object.keys(FOLDED_TABLES), "changes", "counters"];
  return Promise.all(
    tables.map((table) =>
      sql.unsafe(`select xmin::text, ctid::text from mirror_data.${table} order by ctid`),
    ),
  );
}
