import postgres from "postgres";
import { beforeAll, describe, expect } from "vitest";
import { freshDatabase, test } from "../../support/database.js";

const DAY_MS = 86_400_000;
const TODAY = Math.floor(Date.now() / DAY_MS);

describe("mirror.daily_users", () => {
  test("has every day from the first user's to today, and says nothing of what it can't know", async ({
    db,
  }) => {
    await db.sql`
      insert into mirror_data.upstream (api_url, environment, history_since, activity_since)
      values ('https://api.clerk.com', 'test', ${(TODAY - 3) * DAY_MS}, ${(TODAY - 2) * DAY_MS})`;
    await db.sql`
      insert into mirror_data.daily_users
      select date '1970-01-01' + ${TODAY}::integer - ago, created, deleted, active, complete
      from (values (5, 3, 0, 1, true), (2, 1, 2, 3, true), (0, 1, 0, 2, false), (-1, 1, 0, 1, false))
        as d(ago, created, deleted, active, complete)`;
    const days = await db.sql`
      select ${TODAY}::integer - (day - date '1970-01-01') as ago, users, created, deleted, active, active_complete as complete
      from mirror.daily_users order by day`;
    expect(days).toEqual([
      { ago: 5, users: 3, created: 3, deleted: null, active: null, complete: false },
      { ago: 4, users: 3, created: 0, deleted: null, active: null, complete: false },
      { ago: 3, users: 3, created: 0, deleted: 0, active: null, complete: false },
      { ago: 2, users: 2, created: 1, deleted: 2, active: 3, complete: true },
      { ago: 1, users: 2, created: 0, deleted: 0, active: 0, complete: false },
      { ago: 0, users: 3, created: 1, deleted: 0, active: 2, complete: false },
    ]);
  });

  test("has today before anything has happened", async ({ db }) => {
    expect(await db.sql`select users, created, deleted, active from mirror.daily_users`).toEqual([
      { users: 0, created: 0, deleted: null, active: null },
    ]);
  });
});

describe("mirror.user_activity_days at a hundred thousand users", () => {
  // Without the mirror's own limits, which a machine that is busy with other tests can pass here.
  let sql: postgres.Sql;

  beforeAll(async () => {
    const own = await freshDatabase();
    sql = postgres(own.url, { max: 1, onnotice: () => {} });
    await sql`
      insert into mirror_data.user_activity (id, updated_at, number)
      select 'user_' || n, 0, n from generate_series(0, 99999) as n`;
    await sql`
      insert into mirror_data.active_days
      select date '2026-01-01' + d, n / 1024, bit_or(set_bit(0::bit(1024), n % 1024, 1))
      from generate_series(0, 89) as d, generate_series(0, 99999, 7) as n group by 1, 2`;
    await sql`vacuum (analyze) mirror_data.user_activity, mirror_data.active_days`;
    return async () => {
      await sql.end();
      await own.drop();
    };
  }, 120_000);

  const planOf = async (where: string) => {
    const lines = await sql.unsafe<{ "QUERY PLAN": string }[]>(
      `explain select * from mirror.user_activity_days where ${where}`,
    );
    return lines.map((line) => line["QUERY PLAN"]).join("\n");
  };

  test.each(["day = '2026-02-03'", "day between '2026-02-03' and '2026-02-09'", "day >= current_date - 7"])(
    "finds %s by the index of days",
    async (where) => {
      const plan = await planOf(where);
      expect(plan).toContain("active_days_day_chunk_pk");
      expect(plan).not.toContain("Seq Scan on active_days");
    },
  );

  test("finds the days of a user by the user's chunk", async () => {
    const plan = await planOf("user_id = 'user_777'");
    expect(plan).toContain("user_activity_pkey");
    expect(plan).toContain("active_days_chunk");
    expect(plan).not.toContain("Seq Scan");
  });

  test("shows who was active, and nobody else", async () => {
    const [day] = await sql`
      select count(*)::int as n, count(distinct user_id)::int as users from mirror.user_activity_days where day = '2026-02-03'`;
    expect(day).toEqual({ n: Math.ceil(100_000 / 7), users: Math.ceil(100_000 / 7) });
    const days = (id: string) =>
      sql`select count(*)::int as n from mirror.user_activity_days where user_id = ${id}`.then(
        ([row]) => row?.n,
      );
    expect([await days("user_777"), await days("user_778")]).toEqual([90, 0]);
  });
});
