// Covers src/sync/webhooks/{replay,events}.ts, src/sync/ledger/{dead-letters,refetch-queue}.ts,
// src/sync/answers/{refetcher,refetch-membership}.ts

import { afterEach, beforeEach, describe, expect } from "vitest";
import { type Sandbox, startSandbox } from "../../../src/sandbox/server.js";
import { applyItems } from "../../../src/sync/apply/apply.js";
import { gone } from "../../../src/sync/fold/snapshot.js";
import { deadObjectId, keepDeadObject, listDeadLetters } from "../../../src/sync/ledger/dead-letters.js";
import { createReplay } from "../../../src/sync/webhooks/replay.js";
import { type TestDatabase, test } from "../../support/database.js";
import { walksOver } from "../../support/walks.js";

let sandbox: Sandbox;
beforeEach(async () => {
  sandbox = await startSandbox({ users: 20, organizations: 2, clockMs: 1_750_000_000_000 });
});
afterEach(() => sandbox.close());

const organizations = (db: TestDatabase) =>
  db.sql`select id from mirror_data.organizations where payload is not null order by id`;
const readable = async (db: TestDatabase) =>
  (await db.sql`select id from mirror.organization_memberships`).length;
const tombstones = (db: TestDatabase) =>
  db.sql`select id from mirror_data.users where deleted_at is not null`;
const asOf = async (db: TestDatabase) =>
  (await db.sql<{ at: number | null }[]>`select memberships_as_of as at from mirror_data.upstream`)[0]?.at ??
  null;
const firstOrganization = () => String(sandbox.clerk.organizations()[0]?.id);

describe("a dead letter", () => {
  const replayOver = (db: TestDatabase) =>
    createReplay({ sql: db.sql, ingest: { receive: async () => Promise.reject(new Error()) } });

  test("of an organization, replayed, asks Clerk for that organization", async ({ db }) => {
    const { refetch } = await walksOver(db, sandbox);
    const id = firstOrganization();
    await keepDeadObject(db.sql, { kind: "organization", id }, { id }, new Error("unusable"));
    expect(await listDeadLetters(db.sql, 10)).toMatchObject([{ kind: "organization", userId: null }]);
    expect(await replayOver(db)(deadObjectId("organization", id))).toBe("queued");
    await refetch();
    expect(await organizations(db)).toEqual([{ id }]);
    expect(await listDeadLetters(db.sql, 10)).toEqual([]);
    expect(await tombstones(db)).toEqual([]);
  });

  test("of a membership, replayed, asks Clerk for that membership", async ({ db }) => {
    const { backfill, refetch } = await walksOver(db, sandbox);
    await backfill();
    const membership = sandbox.clerk.memberships()[0] as { id: string };
    await db.sql`delete from mirror_data.organization_memberships where id = ${membership.id}`;
    await keepDeadObject(
      db.sql,
      { kind: "membership", id: membership.id },
      membership,
      new Error("unusable"),
    );
    expect(await replayOver(db)(`walk:membership:${membership.id}`)).toBe("queued");
    await refetch();
    expect(await readable(db)).toBe(sandbox.clerk.memberships().length);
    expect(await listDeadLetters(db.sql, 10)).toEqual([]);
    expect(await tombstones(db)).toEqual([]);
  });

  test("of an organization that was kept before letters had a kind is of an organization", async ({ db }) => {
    const { refetch } = await walksOver(db, sandbox);
    const id = firstOrganization();
    await keepDeadObject(db.sql, { kind: "user", id }, { id, object: "organization" }, new Error("unusable"));
    expect(await replayOver(db)(`walk:${id}`)).toBe("queued");
    await refetch();
    expect(await organizations(db)).toEqual([{ id }]);
    expect(await listDeadLetters(db.sql, 10)).toEqual([]);
    expect(await tombstones(db)).toEqual([]);
  });
});

describe("an organization that was taken for deleted", () => {
  test("comes back with its memberships once Clerk was asked, and nothing is vouched for before", async ({
    db,
  }) => {
    const { backfill, full, refetch } = await walksOver(db, sandbox);
    await backfill();
    const id = firstOrganization();
    const all = await readable(db);
    await applyItems(db.sql, [{ organizations: [gone(id, "webhook", Date.now() - 1000)] }], { lagMs: 0 });
    expect(await readable(db)).toBeLessThan(all);
    const before = await asOf(db);
    await full();
    expect(await organizations(db)).toHaveLength(1);
    expect(await asOf(db)).toBe(before);
    await refetch();
    expect(await organizations(db)).toHaveLength(2);
    expect(await readable(db)).toBe(all);
    await full();
    expect(await asOf(db)).toBeGreaterThan(before ?? 0);
  });
});
