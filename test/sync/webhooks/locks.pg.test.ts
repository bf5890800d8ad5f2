// Covers src/sync/apply/{isolate,locked}.ts, src/sync/webhooks/group-commit.ts, src/lib/key-counts.ts

import { afterEach, describe, expect } from "vitest";
import { unwatched } from "../../../src/db/connection/availability.js";
import { createCommitPositions } from "../../../src/db/connection/commit-position.js";
import type { Tx } from "../../../src/db/connection/sql.js";
import { silentLogger } from "../../../src/observability/logger.js";
import { type Sandbox, startSandbox } from "../../../src/sandbox/server.js";
import { createIngest } from "../../../src/sync/webhooks/ingest.js";
import { clerkUser } from "../../support/clerk-user.js";
import { type TestDatabase, test } from "../../support/database.js";
import { holdLocks } from "../../support/hold-locks.js";
import { clerkUsers, storedUsers, walksOver } from "../../support/walks.js";

const cleanUp: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const one of cleanUp.splice(0).reverse()) await one();
});

const hold: typeof holdLocks = async (url, take) => {
  const release = await holdLocks(url, take);
  cleanUp.push(release);
  return release;
};

function ingestOf(db: TestDatabase, patienceMs?: number) {
  const ingest = createIngest({
    ...{ sql: db.sql, availability: unwatched, positions: createCommitPositions(db.sql, unwatched) },
    ...{ clock: { now: Date.now }, lagMs: 60_000, instanceId: null, log: silentLogger() },
    ...(patienceMs !== undefined && { patienceMs }),
  });
  let count = 0;
  const send = async (type: string, data: unknown, messageId = `msg_${++count}`) => {
    const raw = Buffer.from(JSON.stringify({ type, data, object: "event", timestamp: 5000 }));
    return (await ingest.receive({ messageId, raw })).status;
  };
  return {
    send,
    update: (id: string, at: number) => send("user.updated", clerkUser({ id, updated_at: at })),
  };
}

const ids = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, n) => `user_${String(from + n).padStart(3, "0")}`);
const applied = (n: number) => Array.from({ length: n }, () => "applied");
const organization = { id: "org_1", object: "organization", name: "Acme", created_at: 1, updated_at: 1 };
const membership = {
  ...{ id: "orgmem_1", object: "organization_membership", role: "org:member", organization },
  ...{ public_user_data: { user_id: "user_900" }, created_at: 1, updated_at: 1 },
};

describe("a row that another session holds", () => {
  test("keeps only its own webhooks waiting, however many come, and they are applied once it is let go", async ({
    db,
  }) => {
    const { update } = ingestOf(db);
    await Promise.all(ids(1, 100).map((id) => update(id, 1000)));
    const release = await hold(
      db.url,
      (tx) => tx`select from mirror_data.users where id = 'user_001' for update`,
    );
    const stuck: Promise<string>[] = [];
    for (let round = 1; round <= 5; round++) {
      stuck.push(...[1, 2, 3].map((n) => update("user_001", 1000 + 10 * round + n)));
      const others = ids(2, 100).map((id) => update(id, 1000 + round));
      expect(await Promise.all(others)).toEqual(applied(99));
    }
    const [row] = await db.sql`select updated_at from mirror_data.users where id = 'user_001'`;
    expect(row).toEqual({ updated_at: 1000 });
    await release();
    expect(new Set(await Promise.all(stuck))).toContain("applied");
    const [after] = await db.sql`select updated_at from mirror_data.users where id = 'user_001'`;
    expect(after).toEqual({ updated_at: 1053 });
  });

  test("sends its webhooks back in time, and nothing of them is stored", async ({ db }) => {
    const { update, send } = ingestOf(db, 1500);
    await Promise.all(ids(1, 10).map((id) => update(id, 1000)));
    const release = await hold(
      db.url,
      (tx) => tx`select from mirror_data.users where id = 'user_001' for update`,
    );
    const user = clerkUser({ id: "user_001", updated_at: 2000 });
    await expect(send("user.updated", user, "msg_stuck")).rejects.toMatchObject({
      code: "database_unavailable",
    });
    expect(await db.sql`select from mirror_data.deliveries where message_id = 'msg_stuck'`).toHaveLength(0);
    await release();
    expect(await send("user.updated", user, "msg_stuck")).toBe("applied");
  });

  test("of hundreds keeps nobody else waiting", async ({ db }) => {
    const { update } = ingestOf(db);
    await Promise.all(ids(1, 400).map((id) => update(id, 1000)));
    const release = await hold(
      db.url,
      (tx) => tx`select from mirror_data.users where id <= 'user_300' for update`,
    );
    const stuck = ids(1, 300).map((id) => update(id, 2000));
    expect(await Promise.all(ids(301, 400).map((id) => update(id, 2000)))).toEqual(applied(100));
    await release();
    expect(await Promise.all(stuck)).toEqual(applied(300));
  });

  test.for<[string, (tx: Tx) => Promise<unknown>]>([
    ["an organization", (tx) => tx`select from mirror_data.organizations for update`],
    ["a membership", (tx) => tx`select from mirror_data.organization_memberships for update`],
    [
      "a message's id",
      (tx) => tx`
        insert into mirror_data.deliveries (message_id, type, received_at, outcome) values ('msg_held', '', 1, 'applied')`,
    ],
    ["a refetch", (tx) => tx`select from mirror_data.refetches for update`],
    [
      "what is searched of a user",
      (tx) => tx`select from mirror_data.user_search where id = 'user_900' for update`,
    ],
    [
      "a user that isn't there yet",
      (tx) => tx`
        insert into mirror_data.users (id, updated_at, observed_at, source, erased) values ('user_901', 0, 0, 0, false)`,
    ],
  ])("that is %s keeps nobody else waiting either", async ([, take], { db }) => {
    const { send, update } = ingestOf(db);
    await send("organizationMembership.created", membership);
    await update("user_900", 1000);
    await Promise.all(ids(1, 20).map((id) => update(id, 1000)));
    await db.sql`
      insert into mirror_data.refetches (kind, id, reason, since, next_at) values ('user', 'user_900', '', 1, 1)`;
    const release = await hold(db.url, take);
    const second = { ...membership, updated_at: 3, organization: { ...organization, updated_at: 3 } };
    const stuck = [
      send("user.updated", clerkUser({ id: "user_900", updated_at: 3000, first_name: "Other" })),
      send("user.updated", clerkUser({ id: "user_902", updated_at: 3000 }), "msg_held"),
      send("user.created", clerkUser({ id: "user_901", updated_at: 3000 })),
      send("organizationMembership.updated", second),
      send("session.created", {
        id: "sess_1",
        user_id: "user_900",
        created_at: 9,
        last_active_at: 9,
        user: null,
      }),
    ];
    for (let round = 1; round <= 3; round++) {
      const others = ids(1, 20).map((id) => update(id, 1000 + round));
      expect(await Promise.all(others)).toEqual(applied(20));
    }
    await release();
    for (const status of await Promise.all(stuck)) expect(status).toMatch(/applied|stale|duplicate/);
  });

  test("lets a walk bring everybody else, and is brought as soon as it is let go", async ({ db }) => {
    const sandbox: Sandbox = await startSandbox({ users: 300, organizations: 2, clockMs: 1_790_000_000_000 });
    cleanUp.push(sandbox.close);
    const { backfill, full } = await walksOver(db, sandbox);
    await backfill();
    const [first, ...others] = sandbox.clerk.users().map(({ id }) => String(id));
    for (const id of [first, ...others.slice(0, 50)])
      sandbox.clerk.updateUser(String(id), { first_name: "Changed" });
    const release = await hold(
      db.url,
      (tx) => tx`select from mirror_data.users where id = ${String(first)} for update`,
    );
    const run = full();
    const changed = async () => (await db.sql`select from mirror.users where first_name = 'Changed'`).count;
    await expect.poll(changed, { timeout: 20_000 }).toBe(50);
    await release();
    expect(await run).toMatchObject({ state: "succeeded" });
    expect(await storedUsers(db)).toEqual(clerkUsers(sandbox));
  });
});

describe("what everybody writes, held by another session", () => {
  test.for<[string, (tx: Tx) => Promise<unknown>]>([
    ["the counters", (tx) => tx`select from mirror_data.counters for update`],
    ["the feed", (tx) => tx`select pg_advisory_xact_lock(7310214402)`],
    ["a table", (tx) => tx`lock table mirror_data.users in access exclusive mode`],
  ])(
    "sends all webhooks back in time, and takes them again once it is let go: %s",
    async ([, take], { db }) => {
      const { send, update } = ingestOf(db, 1500);
      await update("user_001", 1000);
      const release = await hold(db.url, take);
      const all = ids(1, 200).map((id) =>
        send("user.created", clerkUser({ id, updated_at: 2000 }), `msg_of_${id}`),
      );
      const refused = await Promise.allSettled(all);
      for (const one of refused) {
        expect(one).toMatchObject({ status: "rejected", reason: { code: "database_unavailable" } });
      }
      await release();
      expect(await db.sql`select from mirror_data.deliveries where message_id like 'msg_of_%'`).toHaveLength(
        0,
      );
      const again = ids(1, 200).map((id) =>
        send("user.created", clerkUser({ id, updated_at: 2000 }), `msg_of_${id}`),
      );
      expect(await Promise.all(again)).toEqual(applied(200));
    },
  );
});
