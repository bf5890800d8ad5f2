// Covers src/sync/reconcile/{clerk-pages,clerk-reader,bounds}.ts

import { afterEach, describe, expect } from "vitest";
import { AppError } from "../../../src/lib/errors.js";
import { type Sandbox, startSandbox } from "../../../src/sandbox/server.js";
import type { ClerkApi } from "../../../src/upstream/users.js";
import { test } from "../../support/database.js";
import { clerkUsers, storedUsers, walksOver } from "../../support/walks.js";

const sandboxes: Sandbox[] = [];
afterEach(async () => {
  for (const sandbox of sandboxes.splice(0)) await sandbox.close();
});

/** So many users more than one page holds, all of one moment. */
async function ofOneMoment(users = 700): Promise<Sandbox> {
  const sandbox = await startSandbox({ users: 0, clockMs: 1_750_000_000_000 });
  sandboxes.push(sandbox);
  for (let n = 0; n < users; n++) {
    sandbox.clerk.createUser({
      external_id: `n_${n}`,
      created_at: new Date(1_700_000_000_000).toISOString(),
    });
  }
  return sandbox;
}

type Habit = (api: ClerkApi) => ClerkApi;
const listing =
  (list: (api: ClerkApi) => ClerkApi["listUsers"]): Habit =>
  (api) => ({ ...api, listUsers: list(api) });
const refusesCursors = listing((api) => (query, call) => {
  if (query.startingAfter === undefined) return api.listUsers(query, call);
  throw new AppError("upstream_refused", "Clerk answered 422: unknown parameter.");
});
const gives = (most: number) =>
  listing((api) => (query, call) => api.listUsers({ ...query, limit: Math.min(query.limit, most) }, call));
const ignoresOrder = listing(
  (api) =>
    ({ orderBy, ...query }, call) =>
      api.listUsers(query.startingAfter === undefined ? query : { ...query, orderBy: "-created_at" }, call),
);
const ignoresOffsetAndCursor = listing(
  (api) =>
    ({ offset, startingAfter, ...query }, call) =>
      api.listUsers(query, call),
);

const both =
  (one: Habit, other: Habit): Habit =>
  (api) =>
    one(other(api));

describe("a backfill from an upstream with habits of its own, and 700 users of one moment", () => {
  const habits: [string, Habit][] = [
    ["knows cursors", (api) => api],
    ["refuses cursors", refusesCursors],
    ["gives 100 at a time", gives(100)],
    ["gives 100 at a time and refuses cursors", both(refusesCursors, gives(100))],
    ["orders as it likes", ignoresOrder],
  ];
  for (const [title, habit] of habits) {
    test(`ends with all of them where it ${title}`, async ({ db }) => {
      const sandbox = await ofOneMoment();
      const { backfill, full } = await walksOver(db, sandbox, { api: habit });
      expect(await backfill()).toMatchObject({ state: "succeeded", error: null });
      expect((await storedUsers(db)).size).toBe(700);
      expect(await storedUsers(db)).toEqual(clerkUsers(sandbox));
      expect(await full()).toMatchObject({ state: "succeeded", differences: { missed_delete: 0 } });
      expect((await storedUsers(db)).size).toBe(700);
    });
  }

  test("ends with all of them where pages are shorter than what they share", async ({ db }) => {
    const sandbox = await ofOneMoment(40);
    const { backfill } = await walksOver(db, sandbox, { api: both(refusesCursors, gives(7)) });
    expect(await backfill()).toMatchObject({ state: "succeeded" });
    expect((await storedUsers(db)).size).toBe(40);
  });

  test("fails and says why where it shows its first page for ever", async ({ db }) => {
    const sandbox = await ofOneMoment();
    const { backfill } = await walksOver(db, sandbox, { api: ignoresOffsetAndCursor });
    const run = await backfill();
    expect(run).toMatchObject({ state: "failed", error: expect.stringContaining("heed offset") });
    expect(run.requests).toBeLessThan(50);
  });

  test("fails and says why where it shows the same 100 for ever and counts more", async ({ db }) => {
    const sandbox = await ofOneMoment();
    const { backfill } = await walksOver(db, sandbox, { api: both(gives(100), ignoresOffsetAndCursor) });
    const run = await backfill();
    expect(run).toMatchObject({ state: "failed", error: expect.stringContaining("heed offset") });
    expect(run.requests).toBeLessThan(50);
    const [proof] = await db.sql`select as_of, backfilled_at from mirror_data.upstream`;
    expect(proof).toEqual({ as_of: null, backfilled_at: null });
  });

  test("takes those whom it counts where it shows the same ones for ever", async ({ db }) => {
    const sandbox = await ofOneMoment(100);
    const { backfill, full } = await walksOver(db, sandbox, {
      api: both(gives(100), ignoresOffsetAndCursor),
    });
    expect(await backfill()).toMatchObject({ state: "succeeded" });
    expect((await storedUsers(db)).size).toBe(100);
    expect(await full()).toMatchObject({ state: "succeeded", differences: { missed_delete: 0 } });
  });

  test("takes what fits on one page from an upstream that shows its first page for ever", async ({ db }) => {
    const sandbox = await ofOneMoment(300);
    const { backfill } = await walksOver(db, sandbox, { api: ignoresOffsetAndCursor });
    expect(await backfill()).toMatchObject({ state: "succeeded" });
    expect((await storedUsers(db)).size).toBe(300);
  });
});
