// Covers src/sync/reconcile/{apply-page,until-unlocked}.ts, src/sync/apply/chunks.ts

import { expect } from "vitest";
import { unwatched } from "../../../src/db/connection/availability.js";
import { silentLogger } from "../../../src/observability/logger.js";
import { createWriteThrough } from "../../../src/sync/answers/write-through.js";
import { unfenced } from "../../../src/sync/ledger/lease.js";
import { applyPage } from "../../../src/sync/reconcile/apply-page.js";
import { clerkUser } from "../../support/clerk-user.js";
import { type TestDatabase, test } from "../../support/database.js";

/** Users of 24 KiB, as large as Clerk lets them be. */
const people = (count: number) =>
  Array.from({ length: count }, (_, n) =>
    clerkUser({ id: `user_${String(n).padStart(3, "0")}`, public_metadata: { text: "x".repeat(24_000) } }),
  );

/** Which transactions wrote the users that are stored. */
const transactions = async (db: TestDatabase) =>
  (await db.sql`select distinct xmin::text from mirror_data.users`).map(({ xmin }) => xmin);

const COUNT = 200;

test("a page of megabytes is stored in several transactions, and its checkpoint with the last", async ({
  db,
}) => {
  const items = people(COUNT);
  let stored = 0;
  const within = async () => {
    const [row] = await db.sql<{ n: number }[]>`select count(*)::int as n from mirror_data.users`;
    stored = row?.n ?? 0;
  };
  const page = { items, bytes: JSON.stringify(items).length, startedAtMs: 1 };
  const effects = await applyPage(db.sql, "users", page, { lagMs: 0, fence: unfenced, within });
  expect(effects.size).toBe(COUNT);
  const used = await transactions(db);
  expect(used.length).toBeGreaterThan(1);
  // All but those that the last transaction brought were committed when the checkpoint was written.
  expect(stored).toBeGreaterThan(0);
  expect(stored).toBeLessThan(COUNT);
  const again = await applyPage(db.sql, "users", page, { lagMs: 0, fence: unfenced });
  expect(again.size).toBe(0);
});

test("a page of ordinary users stays one transaction", async ({ db }) => {
  const items = Array.from({ length: 500 }, (_, n) => clerkUser({ id: `user_${n}` }));
  const page = { items, bytes: JSON.stringify(items).length, startedAtMs: 1 };
  await applyPage(db.sql, "users", page, { lagMs: 0, fence: unfenced });
  expect(await transactions(db)).toHaveLength(1);
});

test("a page that somebody reads from Clerk is stored, and written nowhere the second time", async ({
  db,
}) => {
  const writeThrough = createWriteThrough({
    ...{ sql: db.sql, availability: unwatched, lagMs: 0, log: silentLogger() },
    unapplied: { keep: () => {}, concerns: () => false },
    refetcher: { user: async () => true },
    clock: { now: () => 1 },
  });
  const read = (users: unknown, startedAtMs: number) =>
    writeThrough.applyAnswer(
      { kind: "users" },
      { status: 200, body: Buffer.from(JSON.stringify(users)), startedAtMs },
      "read",
    );
  const users = people(COUNT);
  expect(await read(users, 1)).toBe(true);
  const before = await transactions(db);
  expect(before.length).toBeGreaterThan(1);
  expect(await read(users, 2)).toBe(true);
  expect((await transactions(db)).sort()).toEqual(before.sort());

  const changed = users.map((user, n) => (n === 7 ? { ...user, first_name: "New", updated_at: 2000 } : user));
  expect(await read(changed, 3)).toBe(true);
  const names = await db.sql`select id from mirror.users where first_name = 'New'`;
  expect(names.map(({ id }) => id)).toEqual(["user_007"]);
});
