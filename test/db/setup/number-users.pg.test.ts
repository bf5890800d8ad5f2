// Covers src/db/setup/{number-users,filling}.ts

import postgres from "postgres";
import { describe, expect } from "vitest";
import { numberUsers } from "../../../src/db/setup/number-users.js";
import { applyItems } from "../../../src/sync/apply/apply.js";
import { gone, userSnapshot } from "../../../src/sync/fold/snapshot.js";
import { clerkUser } from "../../support/clerk-user.js";
import { type TestDatabase, test } from "../../support/database.js";
import { historyProblems } from "../../support/history.js";

const DAY_MS = 86_400_000;
const OPTIONS = { patience: { ms: 10_000, retryMs: 20, onWait: () => {} }, onProgress: () => {} };

/** What a process of the version before leaves. */
const MAKE_OLD = `
  update mirror_data.users set number = null, created_day = null, deleted_day = null;
  update mirror_data.user_activity set number = null;
  truncate mirror_data.active_days, mirror_data.daily_users;
  alter sequence mirror_data.user_numbers restart`;

/** The n-th user; the order of their creation isn't that of their ids. */
const person = (n: number, fields: object = {}) =>
  clerkUser({
    id: `user_${String(n).padStart(4, "0")}`,
    created_at: ((n * 389) % 600) * DAY_MS,
    last_active_at: (700 + (n % 5)) * DAY_MS,
    last_sign_in_at: n % 3 === 0 ? 600 * DAY_MS : null,
    ...fields,
  });

const apply = (db: TestDatabase, ...users: ReturnType<typeof person>[]) =>
  applyItems(db.sql, [{ users: users.map((user) => userSnapshot(user, "page", 5000)) }], { lagMs: 0 });

/** Writes as a process that doesn't say what it knows. */
async function asOldProcess(db: TestDatabase, statement: string): Promise<void> {
  const sql = postgres(db.url, { max: 1, onnotice: () => {} });
  await sql.unsafe(statement).finally(() => sql.end());
}

describe("a database whose users have no numbers", () => {
  test("gets them in the order of creation, with the days that are known, and a second time nothing", async ({
    db,
  }) => {
    await apply(db, ...Array.from({ length: 600 }, (_, n) => person(n)), clerkUser({ id: "user_gone" }));
    await applyItems(db.sql, [{ users: [gone("user_gone", "webhook", 9000)] }], { lagMs: 0 });
    await db.sql.unsafe(MAKE_OLD);
    const progress: string[] = [];
    await numberUsers(db.sql, { ...OPTIONS, onProgress: (text) => progress.push(text) });
    expect(await historyProblems(db.sql)).toEqual([]);
    const rows = await db.sql<{ number: number; at: number }[]>`
      select u.number, s.created_at as at from mirror_data.users u join mirror_data.user_search s using (id) order by number`;
    expect(rows.map(({ number }) => number)).toEqual(rows.map((_, n) => n));
    expect(rows.map(({ at }) => at)).toEqual(rows.map(({ at }) => at).sort((a, b) => a - b));
    const [days] = await db.sql`select count(*)::int as n from mirror.user_activity_days`;
    expect(days).toEqual({ n: 600 + 200 });

    const versions = () => db.sql`select xmin::text, ctid::text from mirror_data.users order by id`;
    const before = await versions();
    await numberUsers(db.sql, OPTIONS);
    expect(await versions()).toEqual(before);
    expect(await historyProblems(db.sql)).toEqual([]);
  });

  test("is made right behind a process of the version before that creates, touches, deletes and brings back", async ({
    db,
  }) => {
    await apply(db, ...Array.from({ length: 20 }, (_, n) => person(n)));
    await asOldProcess(
      db,
      `begin;
      insert into mirror_data.users (id, payload, payload_hash, last_active_at) values ('user_new', '{}', 'x', ${800 * DAY_MS});
      insert into mirror_data.user_search (id, created_at, banned, password_enabled, two_factor_enabled, has_image, search, name_search)
        values ('user_new', ${750 * DAY_MS}, false, false, false, false, '', '');
      insert into mirror_data.user_activity (id, updated_at) values ('user_new', 1);
      update mirror_data.users set last_active_at = ${900 * DAY_MS} where id in ('user_0001', 'user_0002');
      update mirror_data.users set payload = null, payload_hash = null, deleted_at = ${901 * DAY_MS}, last_active_at = null, last_sign_in_at = null
        where id = 'user_0003';
      delete from mirror_data.user_search where id = 'user_0003';
      delete from mirror_data.user_activity where id = 'user_0003';
      insert into mirror_data.users (id, deleted_at) values ('user_unheard', 5);
      update mirror_data.counters set n = 20 where name = 'users';
      commit`,
    );
    expect(await historyProblems(db.sql)).toEqual([]);
    const [day] = await db.sql`
      select active from mirror_data.daily_users where day = date '1970-01-01' + 900`;
    expect(day).toEqual({ active: 2 });
    const [counted] = await db.sql`
      select deleted from mirror_data.daily_users where day = date '1970-01-01' + 901`;
    expect(counted).toEqual({ deleted: 1 });

    const back = person(3, { updated_at: 950 * DAY_MS, last_active_at: 950 * DAY_MS, last_sign_in_at: null });
    await applyItems(db.sql, [{ users: [userSnapshot(back, "refetch", 950 * DAY_MS)] }], { lagMs: 0 });
    expect(await historyProblems(db.sql)).toEqual([]);
    const shown = await db.sql`
      select (day - date '1970-01-01') as day from mirror.user_activity_days where user_id = 'user_0003'`;
    expect(shown).toEqual([{ day: 950 }]);
  });

  test("leaves what a process that knows the history writes to it", async ({ db }) => {
    await apply(db, person(1));
    await db.sql`update mirror_data.users set last_active_at = ${999 * DAY_MS}`;
    const [day] = await db.sql`select from mirror_data.active_days where day = date '1970-01-01' + 999`;
    expect(day).toBeUndefined();
  });
});
