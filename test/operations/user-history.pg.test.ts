// Covers src/http/routes/user-history.ts

import { expect } from "vitest";
import { unwatched } from "../../src/db/connection/availability.js";
import { OURSELVES } from "../../src/lib/shares.js";
import { createReadUserHistory, type UserHistoryDeps } from "../../src/operations/user-history.js";
import { createQueryEngine } from "../../src/query/engine.js";
import { applyItems } from "../../src/sync/apply/apply.js";
import type { Item } from "../../src/sync/apply/batch.js";
import { membershipSnapshot, organizationSnapshot, userSnapshot } from "../../src/sync/fold/snapshot.js";
import { bearer, MIRROR_KEY, standInApp } from "../http/stand-ins.js";
import { clerkUser } from "../support/clerk-user.js";
import { type TestDatabase, test } from "../support/database.js";

const historyOf = ({ database }: TestDatabase) => {
  const { searches } = createQueryEngine(database.readers, { guard: unwatched.guard, nowMs: Date.now });
  const read = createReadUserHistory({ searches, nowMs: Date.now });
  return (id: string) => read(id, OURSELVES);
};

const userItem = (id: string, updated_at: number, source: "page" | "webhook"): Item => ({
  users: [userSnapshot(clerkUser({ id, updated_at }), source, updated_at)],
});

test("a user's history has the webhooks, changes, runs and dead letters that speak of this user alone", async ({
  db,
}) => {
  const { sql } = db;
  await applyItems(sql, [userItem("user_1", 10, "page"), userItem("user_2", 10, "page")], { lagMs: 0 });
  await applyItems(sql, [userItem("user_1", 20, "webhook")], { lagMs: 0 });
  const membership = {
    ...{
      id: "orgmem_1",
      object: "organization_membership",
      role: "org:member",
      created_at: 1,
      updated_at: 1,
    },
    ...{ public_metadata: {}, private_metadata: {} },
    ...{ organization: { id: "org_1" }, public_user_data: { user_id: "user_1" } },
  };
  const organization = { id: "org_1", object: "organization", name: "One", created_at: 1, updated_at: 1 };
  await applyItems(
    sql,
    [
      { organizations: [organizationSnapshot(organization, "page", 1)] },
      { memberships: [membershipSnapshot(membership, "page", 1)] },
    ],
    { lagMs: 0 },
  );
  const now = Date.now();
  await sql`
    insert into mirror_data.deliveries (message_id, type, user_id, received_at, outcome) values
      ('msg_1', 'user.updated', 'user_1', ${now + 1000}, 'applied'),
      ('msg_2', 'user.updated', 'user_2', ${now + 1000}, 'applied'),
      ('msg_3', 'user.updated', 'user_1', ${now - 8 * 86_400_000}, 'applied')`;
  await sql`
    insert into mirror_data.dead_letters (id, type, user_id, payload, error, received_at, tried_at)
    values ('walk:user_1', null, 'user_1', 'eyJ9', 'wrong', ${now + 2000}, ${now + 2000})`;
  await sql`
    insert into mirror_data.refetches (kind, id, reason, since, attempts, next_at)
    values ('user', 'user_1', 'contradicted', 5, 2, 6)`;
  await sql`
    insert into mirror_data.runs (id, mode, state, queued_at, finished_at, difference_ids) values
      ('run_1', 'full', 'succeeded', 1, ${now + 3000}, '{"missed_update": ["user_9", "user_1"]}'),
      ('run_2', 'full', 'succeeded', 2, ${now + 3000}, '{"missed_update": ["user_2"]}')`;

  const history = await historyOf(db)("user_1");
  expect(history).toMatchObject({
    stored: { source: "webhook", updated_at: 20, deleted_at: null },
    waiting: { reason: "contradicted", since: 5, attempts: 2, next_at: 6 },
    since: { webhooks: expect.any(Number), changes: expect.any(Number) },
  });
  expect(history.events).toEqual([
    { kind: "run", at: now + 3000, run_id: "run_1", mode: "full", reason: "missed_update" },
    { kind: "dead_letter", at: now + 2000, type: null, id: "walk:user_1" },
    { kind: "webhook", at: now + 1000, type: "user.updated", outcome: "applied", message_id: "msg_1" },
    { kind: "change", at: expect.any(Number), type: "membership.upserted", id: "orgmem_1", version: 1 },
    { kind: "change", at: expect.any(Number), type: "user.upserted", id: "user_1", version: 20 },
    { kind: "change", at: expect.any(Number), type: "user.upserted", id: "user_1", version: 10 },
  ]);
});

test("of a user whom nobody has spoken of there is nothing", async ({ db }) => {
  expect(await historyOf(db)("user_9")).toMatchObject({ stored: null, waiting: null, events: [] });
});

test("what takes too long is looked through less far, and said to be", async () => {
  const spans: unknown[] = [];
  const guess: UserHistoryDeps["searches"]["guess"] = async (text, { values }) => {
    if (!text.includes("deliveries")) return text.includes("mirror_data.changes") ? null : [];
    spans.push(values[1]);
    return spans.length < 3 ? null : [];
  };
  const read = createReadUserHistory({ searches: { guess }, nowMs: () => 1_000_000_000 });
  expect((await read("user_1", OURSELVES)).since).toEqual({
    webhooks: 1_000_000_000 - 3_600_000,
    changes: null,
  });
  expect(spans).toEqual([395_200_000, 913_600_000, 996_400_000]);
});

test("the route answers 404 for whom nobody has spoken of", async () => {
  const nothing = { stored: null, waiting: null, events: [], since: { webhooks: 1, changes: 1 } };
  const { app } = standInApp({ readUserHistory: async () => nothing });
  expect((await app.request("/mirror/users/user_9/history", bearer(MIRROR_KEY))).status).toBe(404);
  const known = standInApp().app;
  const answer = await known.request("/mirror/users/user_1/history", bearer(MIRROR_KEY));
  expect([answer.status, await answer.json()]).toEqual([
    200,
    expect.objectContaining({ events: [expect.objectContaining({ run_id: "run_1" })] }),
  ]);
  expect((await known.request("/mirror/users/%00/history", bearer(MIRROR_KEY))).status).toBe(404);
});
