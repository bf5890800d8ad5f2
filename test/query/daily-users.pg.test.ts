import { expect } from "vitest";
import { readDailyUsers } from "../../src/query/daily-users.js";
import { applyItems } from "../../src/sync/apply/apply.js";
import { userSnapshot } from "../../src/sync/fold/snapshot.js";
import { clerkUser } from "../support/clerk-user.js";
import { test } from "../support/database.js";

test("each day has its row, with what isn't known as null", async ({ db }) => {
  const day = (text: string) => Date.parse(text);
  const users = ["2026-01-01", "2026-01-03"].map((text, n) =>
    userSnapshot(
      clerkUser({ id: `user_${n}`, created_at: day(text), updated_at: day(text) }),
      "page",
      day(text),
    ),
  );
  await applyItems(db.sql, [{ users }], { lagMs: 0 });
  const row = (text: string, users: number, created: number) => ({
    ...{ day: text, users, created, deleted: null, active: null, active_complete: false },
  });
  expect(await readDailyUsers(db.sql, "2025-12-30", "2026-01-03")).toEqual([
    row("2026-01-01", 1, 1),
    row("2026-01-02", 1, 0),
    row("2026-01-03", 2, 1),
  ]);
});
