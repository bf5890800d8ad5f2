import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect } from "vitest";
import { unwatched } from "../../../src/db/connection/availability.js";
import { createCommitPositions } from "../../../src/db/connection/commit-position.js";
import { silentLogger } from "../../../src/observability/logger.js";
import { type Sandbox, startSandbox } from "../../../src/sandbox/server.js";
import { createWriteThrough } from "../../../src/sync/answers/write-through.js";
import { applyItems } from "../../../src/sync/apply/apply.js";
import { gone, organizationSnapshot, userSnapshot } from "../../../src/sync/fold/snapshot.js";
import { queueRefetches } from "../../../src/sync/ledger/refetch-queue.js";
import { createIngest } from "../../../src/sync/webhooks/ingest.js";
import { clerkUser } from "../../support/clerk-user.js";
import { type TestDatabase, test } from "../../support/database.js";
import { walksOver } from "../../support/walks.js";

let sandbox: Sandbox;
beforeEach(async () => {
  sandbox = await startSandbox({ users: 5, organizations: 2, clockMs: 1_750_000_000_000 });
});
afterEach(() => sandbox.close());

const ORGANIZATION = { id: "acme", object: "organization", name: "Acme", created_at: 1, updated_at: 1 };

/** Ids of other kinds: by Clerk's prefixes, and one that the mirror knows as an organization's. */
async function othersIn(db: TestDatabase): Promise<string[]> {
  const users = [userSnapshot(clerkUser({ id: "user_1" }), "page", 1)];
  const organizations = [organizationSnapshot(ORGANIZATION, "page", 1)];
  await applyItems(db.sql, [{ users, organizations }], { lagMs: 0 });
  return ["acme", "org_2nobody", "orgmem_2nobody"];
}

const tombstones = async (db: TestDatabase) =>
  (await db.sql`select id from mirror_data.users where deleted_at is not null order by id`).map(
    ({ id }) => id,
  );
const told = async (db: TestDatabase) =>
  (await db.sql`select id from mirror_data.changes where type = 'user.deleted' order by id`).map(
    ({ id }) => id,
  );

describe("what is no user's id", () => {
  test("gets no user's tombstone when Clerk is asked for a user of that id", async ({ db }) => {
    const { refetch } = await walksOver(db, sandbox);
    const others = await othersIn(db);
    const ids = [...others, "user_2nobody"];
    await queueRefetches(
      db.sql,
      ids.map((id) => ({ kind: "user", id, reason: "write_in_doubt" })),
    );
    await refetch();
    expect(await tombstones(db)).toEqual(["user_2nobody"]);
    expect(await told(db)).toEqual(["user_2nobody"]);
    expect(await db.sql`select id from mirror_data.refetches`).toEqual([]);
  });

  test("gets none by a webhook, which is told to be stale", async ({ db }) => {
    const ingest = createIngest({
      ...{ sql: db.sql, availability: unwatched, positions: createCommitPositions(db.sql, unwatched) },
      ...{ instanceId: null, lagMs: 0, log: silentLogger(), clock: { now: () => 1_750_000_000_000 } },
    });
    const receive = async (id: string) =>
      (
        await ingest.receive({
          messageId: `msg_${id}`,
          raw: Buffer.from(JSON.stringify({ type: "user.deleted", data: { id, deleted: true } })),
        })
      ).status;
    for (const id of await othersIn(db)) expect(await receive(id)).toBe("stale");
    expect(await receive("user_2nobody")).toBe("applied");
    expect(await tombstones(db)).toEqual(["user_2nobody"]);
    expect(await told(db)).toEqual(["user_2nobody"]);
  });

  test("gets none by a forwarded deletion", async ({ db }) => {
    const writeThrough = createWriteThrough({
      ...{ sql: db.sql, availability: unwatched, lagMs: 0, log: silentLogger() },
      unapplied: { keep: () => {}, concerns: () => false },
      refetcher: { user: async () => true },
      clock: { now: () => 2 },
    });
    const body = (id: string) => Buffer.from(JSON.stringify({ id, deleted: true }));
    for (const id of [...(await othersIn(db)), "user_2nobody"]) {
      const answer = { status: 200, body: body(id), startedAtMs: 2 };
      expect(await writeThrough.applyAnswer({ kind: "user_deleted", userId: id }, answer, "write")).toBe(
        true,
      );
    }
    expect(await tombstones(db)).toEqual(["user_2nobody"]);
  });

  test("gets no organization's or membership's tombstone either", async ({ db }) => {
    await othersIn(db);
    const ids = ["user_1", "user_2nobody"];
    const items = ids.map((id) => {
      const one = gone(id, "webhook", 2);
      return { organizations: [one], memberships: [one] };
    });
    await applyItems(db.sql, items, { lagMs: 0 });
    expect(await db.sql`select id from mirror_data.organizations where deleted_at is not null`).toEqual([]);
    expect(
      await db.sql`select id from mirror_data.organization_memberships where deleted_at is not null`,
    ).toEqual([]);
  });

  test("loses by a migration the tombstone that it once got", async ({ db }) => {
    const others = await othersIn(db);
    for (const id of [...others, "user_2nobody", "organization_2"]) {
      await db.sql`insert into mirror_data.users (id, deleted_at) values (${id}, 1)`;
    }
    const file = join(import.meta.dirname, "../../../drizzle/0014_tombstones_of_users_alone.sql");
    await db.sql.unsafe(await readFile(file, "utf8"));
    expect(await tombstones(db)).toEqual(["organization_2", "user_2nobody"]);
    expect(await db.sql`select id from mirror_data.users where payload is not null`).toHaveLength(1);
  });
});
