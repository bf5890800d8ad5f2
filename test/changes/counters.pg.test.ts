import { expect } from "vitest";
import { readCounters, USER_COUNT, userCount } from "../../src/changes/counters.js";
import { applyItems } from "../../src/sync/apply/apply.js";
import { gone, userSnapshot } from "../../src/sync/fold/snapshot.js";
import { clerkUser } from "../support/clerk-user.js";
import { test } from "../support/database.js";

test("the number of users is the same to all who read it, and leaves out who is gone", async ({ db }) => {
  const users = ["user_1", "user_2", "user_3"].map((id) =>
    userSnapshot(clerkUser({ id, updated_at: 1 }), "webhook", 1),
  );
  await applyItems(db.sql, [{ users }], { lagMs: 0 });
  await applyItems(db.sql, [{ users: [gone("user_2", "webhook", 2)] }], { lagMs: 0 });

  expect(await userCount(db.sql)).toBe(2);
  expect(await db.sql.unsafe(USER_COUNT)).toEqual([{ n: 2 }]);
  expect(await readCounters(db.sql)).toEqual({ users: 2, organizations: 0, memberships: 0 });
});

test("a mirror that holds nobody has counted nobody", async ({ db }) => {
  expect(await userCount(db.sql)).toBe(0);
  expect(await readCounters(db.sql)).toEqual({ users: 0, organizations: 0, memberships: 0 });
});
