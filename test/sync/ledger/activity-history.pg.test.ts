import { describe, expect } from "vitest";
import { applyItems } from "../../../src/sync/apply/apply.js";
import { gone, userSnapshot } from "../../../src/sync/fold/snapshot.js";
import { markStoredDays, switchActivityHistory } from "../../../src/sync/ledger/activity-history.js";
import { clerkUser } from "../../support/clerk-user.js";
import { type TestDatabase, test } from "../../support/database.js";
import { historyProblems } from "../../support/history.js";

const NOW = Date.now();
const TODAY = new Date(NOW).toISOString().slice(0, 10);

const visit = (db: TestDatabase, id: string, at: number) =>
  applyItems(
    db.sql,
    [{ users: [userSnapshot(clerkUser({ id, updated_at: at, last_active_at: at }), "page", at)] }],
    { lagMs: 0 },
  );

/** Returns how many batches there were. */
async function markAll({ sql }: TestDatabase): Promise<number> {
  for (let batches = 1; ; batches++) if (!(await markStoredDays(sql))) return batches;
}

async function today({ sql }: TestDatabase) {
  const [kept] = await sql`select count(*)::int as n from mirror_data.active_days`;
  const [day] = await sql`
    select created, active from mirror.daily_users where day = ${TODAY}`;
  return { bits: kept?.n, ...day };
}

describe("the history of activity", () => {
  test("is on for a new mirror, keeps nothing while it is off, and begins with what is stored", async ({
    db,
  }) => {
    await db.sql`insert into mirror_data.upstream (api_url, environment) values ('https://api.clerk.com', 'test')`;
    await switchActivityHistory(db.sql, true);
    await visit(db, "user_1", NOW);
    expect(await today(db)).toMatchObject({ bits: 1, active: 1 });

    await switchActivityHistory(db.sql, false);
    expect(await today(db)).toMatchObject({ bits: 0, active: null });
    await visit(db, "user_2", NOW);
    expect(await today(db)).toMatchObject({ bits: 0, active: null });

    await switchActivityHistory(db.sql, true);
    await visit(db, "user_3", NOW);
    expect(await today(db)).toMatchObject({ bits: 1, active: 1 });
    await markAll(db);
    expect(await today(db)).toMatchObject({ bits: 1, active: 3 });
    expect(await historyProblems(db.sql)).toEqual([]);
  });

  test("begins with stored days batch by batch, wherever an earlier process ended, beside visits and deletions", async ({
    db,
  }) => {
    await db.sql`insert into mirror_data.upstream (api_url, environment) values ('https://api.clerk.com', 'test')`;
    await switchActivityHistory(db.sql, false);
    const ids = Array.from({ length: 4001 }, (_, n) => `user_${String(n).padStart(4, "0")}`);
    await applyItems(
      db.sql,
      [
        {
          users: ids.map((id, n) =>
            userSnapshot(
              clerkUser({ id, updated_at: NOW, last_active_at: NOW - n * 3_600_000 }),
              "page",
              NOW,
            ),
          ),
        },
      ],
      { lagMs: 0 },
    );
    await switchActivityHistory(db.sql, true);
    expect(await markStoredDays(db.sql)).toBe(true);
    await visit(db, ids[0]!, NOW + 60_000);
    await visit(db, ids.at(-1)!, NOW + 60_000);
    await visit(db, "user_9", NOW + 60_000);
    await applyItems(
      db.sql,
      [{ users: [gone(ids[1]!, "webhook", NOW + 60_000), gone(ids[3000]!, "webhook", NOW + 60_000)] }],
      { lagMs: 0 },
    );
    expect(await Promise.all([markStoredDays(db.sql), markStoredDays(db.sql)])).toEqual([true, true]);
    expect(await markAll(db)).toBe(1);
    expect(await historyProblems(db.sql)).toEqual([]);
  });

  test("forgets how far it had come when it is turned off in between", async ({ db }) => {
    await db.sql`insert into mirror_data.upstream (api_url, environment) values ('https://api.clerk.com', 'test')`;
    await switchActivityHistory(db.sql, false);
    await visit(db, "user_1", NOW);
    await switchActivityHistory(db.sql, true);
    await switchActivityHistory(db.sql, false);
    expect(await markStoredDays(db.sql)).toBe(false);
    expect(await today(db)).toMatchObject({ bits: 0, active: null });
  });

  test("is switched once: whoever starts again writes nothing", async ({ db }) => {
    await db.sql`insert into mirror_data.upstream (api_url, environment) values ('https://api.clerk.com', 'test')`;
    const version = async () =>
      (await db.sql`select xmin::text, activity_since from mirror_data.upstream`)[0];
    for (const isOn of [true, false]) {
      await switchActivityHistory(db.sql, isOn);
      const before = await version();
      await switchActivityHistory(db.sql, isOn);
      expect(await version()).toEqual(before);
    }
  });
});
