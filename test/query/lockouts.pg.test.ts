// Covers src/query/present.ts, src/lib/lockout.ts

import { expect } from "vitest";
import { noCache } from "../../src/cache/user-cache.js";
import { unwatched } from "../../src/db/connection/availability.js";
import { parseListParams } from "../../src/query/clerk-params.js";
import { createUserQueries } from "../../src/query/users.js";
import { applyItems } from "../../src/sync/apply/apply.js";
import { userSnapshot } from "../../src/sync/fold/snapshot.js";
import { clerkUser } from "../support/clerk-user.js";
import { test } from "../support/database.js";

const view = { privateMetadata: true };

test("a lockout counts down and ends by itself, in what is read and in SQL, and one without an end doesn't", async ({
  db,
}) => {
  const now = Date.now();
  const stored = [
    clerkUser({ id: "user_1", locked: true, lockout_expires_in_seconds: 60 }),
    clerkUser({ id: "user_2", locked: true, lockout_expires_in_seconds: null }),
    clerkUser({ id: "user_3" }),
  ];
  const users = stored.map((user) => userSnapshot(user, "page", now));
  await applyItems(db.sql, [{ users }], { lagMs: 0 });
  let nowMs = now;
  const queries = createUserQueries(db.database.readers, {
    nowMs: () => nowMs,
    availability: unwatched,
    cache: noCache,
  });
  const shown = async () => {
    const one = await queries.get("user_1", view);
    const all = JSON.parse(String(await queries.list(parseListParams({ order_by: ["+created_at"] }), view)));
    const fields = ({ locked, lockout_expires_in_seconds }: Record<string, unknown>) => [
      locked,
      lockout_expires_in_seconds,
    ];
    return { one: fields(JSON.parse(one.kind === "live" ? String(one.body) : "")), all: all.map(fields) };
  };
  const [forEver, never] = [
    [true, null],
    [false, null],
  ];
  expect(await shown()).toEqual({ one: [true, 60], all: [[true, 60], forEver, never] });
  nowMs = now + 30_500;
  expect(await shown()).toEqual({ one: [true, 30], all: [[true, 30], forEver, never] });
  nowMs = now + 60_000;
  expect(await shown()).toEqual({ one: never, all: [never, forEver, never] });

  const inSql = async () =>
    (await db.sql`select id from mirror.users where locked order by id`).map(({ id }) => id);
  expect(await inSql()).toEqual(["user_1", "user_2"]);
  await db.sql`update mirror_data.users set locked_until = ${now - 1} where id = 'user_1'`;
  expect(await inSql()).toEqual(["user_2"]);
});
