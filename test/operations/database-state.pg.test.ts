import { expect } from "vitest";
import { unwatched } from "../../src/db/connection/availability.js";
import { AppError } from "../../src/lib/errors.js";
import { createDatabaseStateReader } from "../../src/operations/database-state.js";
import { test } from "../support/database.js";

test("reads what metrics tell of the database", async ({ db }) => {
  await db.sql`update mirror_data.counters set n = 7 where name = 'users'`;
  await db.sql`insert into mirror_data.refetches (kind, id, reason, since, next_at) values ('user', 'user_1', 'test', 1, 1)`;
  expect(await createDatabaseStateReader(db.sql, unwatched.guard)()).toMatchObject({
    ...{ users: 7, organizations: 0, deadLetters: 0, refetches: 1 },
    budget: { limit: null, used: { urgent: 0, background: 0 }, isPaused: false },
  });
});

test("says nothing of a database that is away or doesn't answer, and asks it again the next time", async ({
  db,
}) => {
  let answers: "not at all" | "never" | "now" = "not at all";
  const read = createDatabaseStateReader(db.sql, (work) => {
    if (answers === "not at all") return Promise.reject(new AppError("database_unavailable", "away"));
    return answers === "never" ? new Promise(() => {}) : work();
  });
  expect(await read()).toBeNull();
  answers = "never";
  expect(await read()).toBeNull();
  answers = "now";
  expect(await read()).toMatchObject({ users: 0 });
});
