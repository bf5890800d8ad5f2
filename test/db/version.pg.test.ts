import { expect } from "vitest";
import { unwatched } from "../../src/db/availability.js";
import { createVersions } from "../../src/db/version.js";
import { test } from "../support/database.js";

test("a version is reached from the moment it was named, and the next one isn't yet", async ({ db }) => {
  const versions = createVersions(db.sql, unwatched);
  const before = await versions.current();
  expect(await versions.isReached(before)).toBe(true);
  await db.sql`insert into mirror_data.deliveries (message_id, received_at, outcome) values ('a', 1, 'applied')`;
  const after = await versions.current();
  expect(after).not.toBe(before);
  expect(await versions.isReached(before)).toBe(true);
  expect(await versions.isReached(after)).toBe(true);
});

test("what only another history of this database reached, or a later one, is not reached", async ({ db }) => {
  const versions = createVersions(db.sql, unwatched);
  const [timeline, position] = (await versions.current()).split("-");
  expect(await versions.isReached(`${timeline}F-${position}`)).toBe(false);
  expect(await versions.isReached(`${timeline}-FFFFFFFF/0`)).toBe(false);
});

test.each(["", "0", "1-2", "1-0/G", "1-0/1'", "user_1"])(
  "refuses %j, which no answer ever said",
  async (text) => {
    const versions = createVersions(null as never, unwatched);
    await expect(versions.isReached(text)).rejects.toMatchObject({ code: "bad_request" });
  },
);
