import fc from "fast-check";
import { expect } from "vitest";
import { cursorOf, newestCursor, newestPlace, parseCursor } from "../../src/changes/cursor.js";
import { applyItems } from "../../src/sync/apply/apply.js";
import { userSnapshot } from "../../src/sync/fold/snapshot.js";
import { clerkUser } from "../support/clerk-user.js";
import { test } from "../support/database.js";

const number = fc.maxSafeNat();

test("a cursor names the same place when it comes back, and can stand in an address as it is", () => {
  fc.assert(
    fc.property(number, number, (position, atMs) => {
      const cursor = cursorOf({ position, atMs });
      expect(encodeURIComponent(cursor)).toBe(cursor);
      expect(parseCursor(cursor, "after")).toEqual({ position, atMs });
    }),
  );
});

test("whatever isn't a cursor is refused by the name of its parameter", () => {
  const cursor = cursorOf({ position: 17, atMs: 1_764_000_000_000 });
  const spoilt = fc.nat(cursor.length - 1).map((at) => `${cursor.slice(0, at)}~${cursor.slice(at + 1)}`);
  const longer = fc.string({ minLength: 1 }).map((more) => cursor + more);
  const texts = ["1.1.1", "1.-1.1", "1.1", "2.1.1", "1.1.1.1", "1.9007199254740993.1", "1.01.1"];
  const encoded = fc.constantFrom(...texts.slice(1)).map((text) => Buffer.from(text).toString("base64url"));
  fc.assert(
    fc.property(fc.oneof(fc.string(), spoilt, longer, encoded, fc.constantFrom(...texts)), (text) => {
      expect(() => parseCursor(text, "after")).toThrow(
        expect.objectContaining({ code: "invalid_request", meta: { param_name: "after" } }),
      );
    }),
  );
});

test("the newest place is behind the last commit, and at 0 before the first", async ({ db }) => {
  const empty = await newestPlace(db.sql);
  expect(empty.position).toBe(0);
  expect(Math.abs(empty.atMs - Date.now())).toBeLessThan(60_000);

  const users = ["user_1", "user_2"].map((id) =>
    userSnapshot(clerkUser({ id, updated_at: 1 }), "webhook", 1),
  );
  await applyItems(db.sql, [{ users }], { lagMs: 0 });
  const rows = await db.sql`select position, at as "atMs" from mirror_data.changes order by position`;
  expect(rows).toHaveLength(2);
  expect(await newestPlace(db.sql)).toEqual(rows[1]);
  expect(parseCursor(await newestCursor(db.sql), "after")).toEqual(rows[1]);
});
