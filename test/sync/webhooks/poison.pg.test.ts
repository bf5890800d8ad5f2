// Covers src/sync/apply/isolate.ts, src/sync/answers/{write-through,answer-parts,read-through}.ts,
// src/sync/reconcile/{apply-page,organizations}.ts

import { describe, expect } from "vitest";
import { unwatched } from "../../../src/db/connection/availability.js";
import { createCommitPositions } from "../../../src/db/connection/commit-position.js";
import { silentLogger } from "../../../src/observability/logger.js";
import { createWriteThrough } from "../../../src/sync/answers/write-through.js";
import { findDeadLetter, listDeadLetters } from "../../../src/sync/ledger/dead-letters.js";
import { unfenced } from "../../../src/sync/ledger/lease.js";
import { applyPage } from "../../../src/sync/reconcile/apply-page.js";
import { createIngest } from "../../../src/sync/webhooks/ingest.js";
import type { AnswerEffect } from "../../../src/upstream/clerk-routes.js";
import { clerkUser } from "../../support/clerk-user.js";
import { type TestDatabase, test } from "../../support/database.js";

/** Deeper than any stack: V8 reads such JSON and can't print it. */
const DEEP = JSON.parse(`${"[".repeat(20_000)}${"]".repeat(20_000)}`);

const organization = { id: "org_1", object: "organization", name: "Acme", created_at: 1, updated_at: 1 };
const membership = {
  ...{ id: "orgmem_1", object: "organization_membership", role: "org:member", organization },
  ...{ public_user_data: { user_id: "user_1" }, created_at: 1, updated_at: 1 },
};

const letters = async (db: TestDatabase) =>
  (await listDeadLetters(db.sql, 10)).map(({ id, kind }) => ({ id, kind }));
const users = async (db: TestDatabase) =>
  (await db.sql`select id from mirror_data.users where payload is not null order by id`).map(({ id }) => id);
const refetches = async (db: TestDatabase) =>
  (await db.sql`select kind, id from mirror_data.refetches order by kind, id`).map((row) => ({ ...row }));

let startedAtMs = 1;
const page = (db: TestDatabase, items: unknown[], options: object = {}) =>
  applyPage(
    db.sql,
    "users",
    { items, startedAtMs: startedAtMs++ },
    { lagMs: 0, fence: unfenced, ...options },
  );

describe("a page of a walk", () => {
  test("goes on without a known user who is nested too deep now", async ({ db }) => {
    await page(db, [clerkUser({ id: "user_1" })]);
    let committed = 0;
    await page(
      db,
      [
        clerkUser({ id: "user_0" }),
        clerkUser({ id: "user_1", public_metadata: DEEP }),
        clerkUser({ id: "user_2" }),
      ],
      { within: async () => void committed++ },
    );
    expect(await users(db)).toEqual(["user_0", "user_1", "user_2"]);
    expect(await letters(db)).toEqual([{ id: "walk:user_1", kind: "user" }]);
    expect(committed).toBeGreaterThan(0);
    const kept = JSON.parse(String((await findDeadLetter(db.sql, "walk:user_1"))?.payload));
    expect(kept).toMatchObject({ id: "user_1", public_metadata: null, first_name: expect.any(String) });
  });

  test("goes on without one whose private metadata are nested too deep, in a dry run as well", async ({
    db,
  }) => {
    await page(db, [clerkUser({ id: "user_1", private_metadata: {} })]);
    const items = [clerkUser({ id: "user_1", private_metadata: DEEP }), clerkUser({ id: "user_2" })];
    expect([...(await page(db, items, { dryRun: true })).keys()]).toEqual(["user_2"]);
    expect(await letters(db)).toEqual([]);
    await page(db, items);
    expect(await users(db)).toEqual(["user_1", "user_2"]);
    expect(await letters(db)).toEqual([{ id: "walk:user_1", kind: "user" }]);
  });

  test("goes on without those whose ids nothing can be kept by", async ({ db }) => {
    await page(db, [
      clerkUser({ id: "user_\u0000" }),
      clerkUser({ id: "user_1" }),
      clerkUser({ id: "x".repeat(10_000) }),
      null,
    ]);
    expect(await users(db)).toEqual(["user_1"]);
    expect(await letters(db)).toHaveLength(3);
  });
});

describe("an answer that somebody gets through the mirror", () => {
  const answered = (db: TestDatabase, effect: AnswerEffect, value: unknown) =>
    createWriteThrough({
      ...{ sql: db.sql, availability: unwatched, lagMs: 0, log: silentLogger() },
      unapplied: {
        keep: () => {
          throw new Error("nothing is kept in memory");
        },
        concerns: () => false,
      },
      refetcher: { user: async () => true },
      clock: { now: () => 2 },
    }).applyAnswer(
      effect,
      { status: 200, body: Buffer.from(JSON.stringify(value)), startedAtMs: 2 },
      "write",
    );

  test("leaves an unusable organization as a letter of its kind, which is asked for again", async ({
    db,
  }) => {
    const unusable = { ...organization, created_at: "yesterday" };
    expect(await answered(db, { kind: "organization" }, unusable)).toBe(false);
    expect(await letters(db)).toEqual([{ id: "walk:organization:org_1", kind: "organization" }]);
    expect(await refetches(db)).toEqual([{ kind: "organization", id: "org_1" }]);
  });

  test("leaves an unusable membership as one, and the rest of a list is stored", async ({ db }) => {
    await page(db, [clerkUser({ id: "user_1" })]);
    const list = { data: [{ ...membership, id: "orgmem_2", updated_at: null }, membership], total_count: 2 };
    expect(await answered(db, { kind: "memberships" }, list)).toBe(false);
    expect(await letters(db)).toEqual([{ id: "walk:membership:orgmem_2", kind: "membership" }]);
    expect(await refetches(db)).toContainEqual({ kind: "membership", id: "org_1/user_1" });
    expect(await db.sql`select id from mirror.organization_memberships`).toHaveLength(1);
  });

  test("deletes no membership without a name", async ({ db }) => {
    expect(await answered(db, { kind: "membership_deleted" }, { deleted: true })).toBe(false);
    expect(await db.sql`select id from mirror_data.organization_memberships`).toEqual([]);
  });
});

describe("a webhook that can't be applied", () => {
  const send = async (db: TestDatabase, type: string, data: unknown) => {
    const ingest = createIngest({
      ...{ sql: db.sql, availability: unwatched, positions: createCommitPositions(db.sql, unwatched) },
      ...{ instanceId: null, lagMs: 0, log: silentLogger(), clock: { now: () => 1_750_000_000_000 } },
    });
    const raw = Buffer.from(JSON.stringify({ type, data }));
    return (await ingest.receive({ messageId: "msg_1", raw })).status;
  };

  const cases: [string, unknown, { kind: string; id: string }[]][] = [
    ["user.updated", { id: "user_1" }, [{ kind: "user", id: "user_1" }]],
    ["organization.updated", { id: "org_1" }, [{ kind: "organization", id: "org_1" }]],
    [
      "organizationMembership.created",
      { ...membership, updated_at: null },
      [
        { kind: "membership", id: "org_1/user_1" },
        { kind: "user", id: "user_1" },
      ],
    ],
    ["organizationMembership.updated", { id: "orgmem_1" }, []],
    ["organization.updated", { id: "with a space" }, []],
  ];
  for (const [type, data, asked] of cases) {
    test(`of ${type} asks for ${asked.map(({ kind }) => kind).join(" and ") || `nothing where it names nothing: ${JSON.stringify(data)}`}`, async ({
      db,
    }) => {
      expect(await send(db, type, data)).toBe("dead_lettered");
      expect(await refetches(db)).toEqual(asked);
    });
  }
});
