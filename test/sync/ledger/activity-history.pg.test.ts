import { describe, expect } from "vitest";
import { applyItems } from "../../../src/sync/apply/apply.js";
import { userSnapshot } from "../../../src/sync/fold/snapshot.js";
import { switchActivityHistory } from "../../../src/sync/ledger/activity-history.js";
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
    expect(await today(db)).toMatchObject({ bits: 1, active: 2 });
    expect(await historyProblems(db.sql)).toEqual([]);
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
