import { describe, expect } from "vitest";
import { noCache } from "../../src/cache/user-cache.js";
import { unwatched } from "../../src/db/connection/availability.js";
import { vacuumTables } from "../../src/db/setup/statistics.js";
import { parseListParams, parseUserFilter } from "../../src/query/clerk-params.js";
import { ORDER_FIELDS } from "../../src/query/order.js";
import { createTermStatistics } from "../../src/query/term-statistics.js";
import { createUserQueries } from "../../src/query/users.js";
import { applyItems } from "../../src/sync/apply/apply.js";
import { userSnapshot } from "../../src/sync/fold/snapshot.js";
import { clerkUser } from "../support/clerk-user.js";
import { type TestDatabase, test } from "../support/database.js";

const USERS = 400;

/** Every fourth has an `é`, every fortieth a `✓`. */
async function fill(db: TestDatabase): Promise<void> {
  const users = Array.from({ length: USERS }, (_, n) =>
    clerkUser({
      id: `user_${n}`,
      first_name: `${n % 4 === 0 ? "René" : "Rene"}${n % 40 === 0 ? "✓" : ""}`,
      created_at: 1000 + n,
      updated_at: 1000 + ((n * 7) % USERS),
    }),
  );
  const items = users.map((user) => ({ users: [userSnapshot(user, "page", 5000)] }));
  await applyItems(db.sql, items, { lagMs: 0 });
}

describe("the statistics of terms", () => {
  test("know the share of users who have a piece, once they were analyzed", async ({ db }) => {
    await fill(db);
    const before = await createTermStatistics(db.sql, unwatched.guard)();
    expect(before.distinctNames.last_name).toBe(Number.POSITIVE_INFINITY);
    expect([before.users, before.shareOf(["é"]), before.shareIn("ids", "user_1")]).toEqual([USERS, 0, 1]);
    await vacuumTables(db.sql);
    const { shareOf, shareIn } = await createTermStatistics(db.sql, unwatched.guard)();
    expect(shareOf(["é"])).toBeCloseTo(1 / 4);
    expect(shareOf(["@"])).toBeCloseTo(1);
    // As rare as its rarest piece.
    expect(shareOf(["@", "é"])).toBeCloseTo(1 / 4);
    expect(shareOf(["@", "|"])).toBe(0);
    expect([shareIn("ids", "ser_"), shareIn("ids", "zz")]).toEqual([1, 0]);
    expect([shareIn("names", "✓"), shareIn("names", "rene")].map((share) => share * 40)).toEqual([
      expect.closeTo(1),
      expect.closeTo(30),
    ]);
    expect(shareIn("identifiers", "rene")).toBe(0);
    // 111 of 400 begin with a 1.
    expect(shareIn("ids", "user_1")).toBeCloseTo(111 / 400, 1);
  });

  test("are asked once a minute, and again after a failure", async ({ db }) => {
    let nowMs = 0;
    const statistics = createTermStatistics(db.sql, unwatched.guard, () => nowMs);
    expect((await statistics()).users).toBe(0);
    await fill(db);
    nowMs = 59_999;
    expect((await statistics()).users).toBe(0);
    nowMs = 60_000;
    expect((await statistics()).users).toBe(USERS);
    await db.sql`alter table mirror_data.counters rename to away`;
    nowMs = 120_000;
    await expect(statistics()).rejects.toThrow("counters");
    await db.sql`alter table mirror_data.away rename to counters`;
    expect((await statistics()).users).toBe(USERS);
  });

  test("change how terms are looked for, and not what is found", async ({ db }) => {
    await fill(db);
    const parts = { nowMs: Date.now, availability: unwatched, cache: noCache };
    const found = async () => {
      const queries = createUserQueries(db.database.readers, parts);
      const lists = [];
      for (const query of ["é", "✓", "é✓", "@", "|"]) {
        for (const order of ORDER_FIELDS.flatMap((field) => [`+${field}`, `-${field}`])) {
          const params = { query: [query], order_by: [order], limit: ["500"], offset: ["3"] };
          const users = JSON.parse(
            String(await queries.list(parseListParams(params), { privateMetadata: true })),
          );
          lists.push([query, order, users.map(({ id }: { id: string }) => id)]);
        }
        lists.push([query, await queries.count(parseUserFilter({ query: [query] }))]);
      }
      return lists;
    };
    const byPieces = await found();
    await vacuumTables(db.sql);
    expect(await found()).toEqual(byPieces);
    expect(byPieces.filter(([query]) => query === "é").at(-1)).toEqual(["é", USERS / 4]);
  });
});
