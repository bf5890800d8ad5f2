// Covers src/lib/user-text.ts

import fc from "fast-check";
import { describe, expect } from "vitest";
import { noCache } from "../../../src/cache/user-cache.js";
import { unwatched } from "../../../src/db/connection/availability.js";
import type { Sql } from "../../../src/db/connection/sql.js";
import { createUserQueries } from "../../../src/query/users.js";
import { applyItems } from "../../../src/sync/apply/apply.js";
import { userSnapshot } from "../../../src/sync/fold/snapshot.js";
import { clerkUser } from "../../support/clerk-user.js";
import { type TestDatabase, test } from "../../support/database.js";

const NOON = 1_764_300_000_000;
const PRIVATE = { privateMetadata: true };
const user = (members: object) =>
  clerkUser({ id: "user_1", created_at: NOON, updated_at: NOON, private_metadata: { a: 1 }, ...members });

const apply = (sql: Sql, object: object, source: "webhook" | "page" = "webhook") =>
  applyItems(sql, [{ users: [userSnapshot(object, source, NOON + 1)] }], { lagMs: 0 });

async function shown(db: TestDatabase, id = "user_1") {
  const { readers } = db.database;
  const queries = createUserQueries(readers, { nowMs: () => NOON, availability: unwatched, cache: noCache });
  const found = await queries.get(id, PRIVATE);
  const [row] = await db.sql<
    { data: Record<string, unknown> }[]
  >`select data from mirror.users where id = ${id}`;
  return { json: found.kind === "live" && String(found.body), data: row?.data };
}

const payload = async (sql: Sql) =>
  (await sql<{ payload: string }[]>`select payload from mirror_data.users where id = 'user_1'`)[0]?.payload;

describe("a visit", () => {
  const later = { updated_at: NOON + 5000, last_active_at: NOON + 4000 };

  test("is shown everywhere, announced, and leaves the payload as it is", async ({ db }) => {
    const before = user({ last_active_at: NOON, last_sign_in_at: NOON });
    await apply(db.sql, before);
    const stored = await payload(db.sql);
    const { users } = await apply(db.sql, { ...before, ...later });
    expect(users.get("user_1")).toBe("touched");
    const { json, data } = await shown(db);
    expect(json).toBe(JSON.stringify({ ...before, ...later }));
    const { private_metadata: _, ...rest } = { ...before, ...later } as Record<string, unknown>;
    expect(data).toEqual(rest);
    expect(await payload(db.sql)).toBe(stored);
    const [activity] = await db.sql`
      select updated_at, last_active_at, last_sign_in_at from mirror_data.user_activity where id = 'user_1'`;
    expect(activity).toEqual({ ...later, last_sign_in_at: NOON });
  });

  test.for([
    ["the first time of a user who had none", { last_sign_in_at: null }, { last_sign_in_at: NOON + 1 }],
    ["a time of another length", {}, { last_active_at: 10_000_000_000_000 }],
    ["a member that wasn't there", {}, { added: null }],
    ["a lock", {}, { locked: true, lockout_expires_in_seconds: 60 }],
    ["the end of a lock", { locked: true, lockout_expires_in_seconds: null }, { locked: false }],
    ["other private metadata", {}, { private_metadata: { a: 2 } }],
    [
      "private metadata whose members stand in another order",
      { private_metadata: { a: 1, b: 1 } },
      { private_metadata: { b: 1, a: 1 } },
    ],
    ["a member of scim", {}, { scim: { active: true } }],
  ] as const)("together with %s writes the payload anew", async ([, has, gets], { db }) => {
    const before = user({ last_active_at: NOON, last_sign_in_at: NOON, ...has });
    await apply(db.sql, before);
    const after = { ...before, ...later, ...gets };
    await apply(db.sql, after);
    const { json, data } = await shown(db);
    const locked = (after as { locked?: boolean }).locked === true && (gets as { locked?: boolean }).locked;
    // A running lock counts down from the moment when it was seen.
    const seconds = locked ? { lockout_expires_in_seconds: 61 } : {};
    expect(json).toBe(JSON.stringify({ ...after, ...seconds }));
    expect(data).toMatchObject({ updated_at: later.updated_at });
  });

  test("whose members come in another order is shown in that order", async ({ db }) => {
    const before = user({ last_active_at: NOON });
    await apply(db.sql, before);
    const after = Object.fromEntries(Object.entries({ ...before, ...later }).reverse());
    await apply(db.sql, after);
    expect((await shown(db)).json).toBe(JSON.stringify(after));
  });
});

test("visits and changes in any order, repeated and in any batches, end as the newest one with the greatest times", async ({
  db,
}) => {
  const time = fc.integer({ min: NOON, max: NOON + 60 });
  const event = fc.record({
    first_name: fc.constantFrom("Ada", "Bo", "Zoë"),
    last_active_at: fc.oneof({ weight: 5, arbitrary: time }, { weight: 1, arbitrary: fc.constant(null) }),
    last_sign_in_at: fc.oneof({ weight: 5, arbitrary: time }, { weight: 1, arbitrary: fc.constant(null) }),
    private_metadata: fc.constantFrom({ a: 1 }, { a: 1 }, { a: 2 }),
  });
  let n = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(event, { minLength: 1, maxLength: 8 }),
      fc.array(fc.nat(20)),
      async (events, turns) => {
        const id = `user_${++n}`;
        const objects = events.map((one, k) => user({ id, ...one, updated_at: NOON + 1000 + k }));
        // Each once, some again, in an order that depends on the case.
        const stream = [...objects, ...turns.flatMap((k) => objects[k % objects.length] ?? [])]
          .map((object, k) => [(k * 7 + (turns[k % (turns.length || 1)] ?? 0)) % 11, object] as const)
          .sort(([a], [b]) => a - b)
          .map(([, object]) => object);
        for (let from = 0; from < stream.length; ) {
          const size = 1 + ((turns[from % (turns.length || 1)] ?? 0) % 3);
          const items = stream
            .slice(from, from + size)
            .map((object) => ({ users: [userSnapshot(object, "webhook", NOON)] }));
          await applyItems(db.sql, items, { lagMs: 0 });
          from += size;
        }
        const greatest = (name: "last_active_at" | "last_sign_in_at") =>
          events.reduce<number | null>(
            (most, one) => (one[name] === null ? most : Math.max(most ?? 0, one[name])),
            null,
          );
        const expected = {
          ...objects.at(-1),
          last_active_at: greatest("last_active_at"),
          last_sign_in_at: greatest("last_sign_in_at"),
        };
        const { json, data } = await shown(db, id);
        expect(json).toBe(JSON.stringify(expected));
        const { private_metadata: _, ...rest } = expected as Record<string, unknown>;
        expect(data).toEqual(rest);
      },
    ),
    { numRuns: 60 },
  );
});
