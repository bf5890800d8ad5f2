// Covers src/query/{counts,kept-answers}.ts

import { describe, expect } from "vitest";
import { noCache } from "../../src/cache/user-cache.js";
import { unwatched } from "../../src/db/connection/availability.js";
import { parseUserFilter } from "../../src/query/clerk-params.js";
import { createUserQueries } from "../../src/query/users.js";
import { applyItems } from "../../src/sync/apply/apply.js";
import { userSnapshot } from "../../src/sync/fold/snapshot.js";
import { clerkUser } from "../support/clerk-user.js";
import { type TestDatabase, test } from "../support/database.js";

const ANNS = parseUserFilter({ query: ["ann"] });
const BANNED = parseUserFilter({ banned: ["true"] });

const add = (db: TestDatabase, id: string, fields = {}) =>
  applyItems(
    db.sql,
    [{ users: [userSnapshot(clerkUser({ id, first_name: "Ann", ...fields }), "page", 1)] }],
    {
      lagMs: 0,
    },
  );

/** Counts over a pool with room for two of one key, that tells how many were begun, and does with each what `around` says. */
function watched({ database }: TestDatabase, around = async (count: () => unknown) => count()) {
  let begun = 0;
  const search = new Proxy(database.readers.searches, {
    get(target, name) {
      if (name === "options") return { ...target.options, max: 4 };
      if (name !== "begin") return Reflect.get(target, name);
      return (work: never) => {
        begun++;
        return around(() => target.begin(work));
      };
    },
  });
  const parts = { nowMs: Date.now, availability: unwatched, cache: noCache };
  const { count } = createUserQueries({ ...database.readers, searches: search }, parts);
  return { count, begun: () => begun };
}

describe("a filtered count", () => {
  test("is made once for all who ask while nothing changes, and anew after each commit", async ({ db }) => {
    const { count, begun } = watched(db);
    for (let users = 1; users <= 3; users++) {
      await add(db, `user_${users}`);
      const counts = await Promise.all(Array.from({ length: 20 }, () => count(ANNS)));
      expect([...new Set(counts), await count(ANNS), begun()]).toEqual([users, users, users]);
    }
    expect([await count(BANNED), begun()]).toEqual([0, 4]);
  });

  test("begun before a commit is no answer for who asks after it", async ({ db }) => {
    let go = () => {};
    const told = new Promise<void>((resolve) => {
      go = resolve;
    });
    let first = true;
    const { count } = watched(db, async (work) => {
      const found = await work();
      if (first) {
        first = false;
        await told;
      }
      return found;
    });
    const early = count(ANNS);
    await expect.poll(() => first).toBe(false);
    await add(db, "user_1");
    expect(await count(ANNS)).toBe(1);
    go();
    expect(await early).toBe(0);
    expect(await count(ANNS)).toBe(1);
  });

  test("that failed is made anew for the next", async ({ db }) => {
    let failures = 1;
    const { count, begun } = watched(db, async (work) => {
      const found = await work();
      if (failures-- > 0) throw new Error("away");
      return found;
    });
    await add(db, "user_1");
    await expect(count(ANNS)).rejects.toThrow("away");
    expect([await count(ANNS), begun()]).toEqual([1, 2]);
  });
});
