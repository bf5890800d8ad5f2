import fc from "fast-check";
import postgres from "postgres";
import { afterEach, expect } from "vitest";
import { createStatusReader } from "../../src/operations/status.js";
import { type Sandbox, startSandbox } from "../../src/sandbox/server.js";
import { latestRuns } from "../../src/sync/ledger/runs.js";
import { type TestDatabase, test } from "../support/database.js";
import { walksOver } from "../support/walks.js";

let sandbox: Sandbox | null = null;
afterEach(async () => {
  await sandbox?.close();
  sandbox = null;
});

const statusOf = ({ sql }: TestDatabase) =>
  createStatusReader({
    sql,
    embedded: null,
    webhooks: true,
    cache: null,
    pace: null,
    lastRuns: (limit) => latestRuns(sql, limit),
  }).read();

test("the status tells what is here and at Clerk, what was found and repaired, and what needs somebody", async ({
  db,
}) => {
  const clerk = await startSandbox({ users: 100, organizations: 2, clockMs: 1_750_000_000_000 });
  sandbox = clerk;
  const ids = clerk.clerk.users().map(({ id }) => String(id));
  const { backfill, incremental, full } = await walksOver(db, clerk, { purgeLimit: 0.05 });
  expect(await statusOf(db)).toMatchObject({ state: "backfilling", users: 0, as_of: null, walker: null });
  await backfill();
  expect(await statusOf(db)).toMatchObject({
    state: "live",
    users: 100,
    organizations: 2,
    upstream: { users: 100, users_here: 0 },
    last_runs: [{ mode: "backfill", state: "succeeded", windows: { total: 3, done: 3 }, eta: null }],
  });

  clerk.clerk.createUser({ first_name: "Missed" });
  clerk.clerk.updateUser(ids[1] ?? "", { first_name: "Changed" });
  clerk.clerk.deleteUser(ids[2] ?? "");
  await incremental();
  const repaired = { missed_create: 1, missed_update: 1, missed_delete: 1 };
  expect(await statusOf(db)).toMatchObject({
    state: "live",
    upstream: { users: 100, users_here: 100 },
    drift: { found: repaired, repaired },
  });

  for (const id of ids.slice(10, 40)) clerk.clerk.deleteUser(id);
  expect(await full()).toMatchObject({ state: "stopped" });
  const stopped = await statusOf(db);
  expect(stopped).toMatchObject({ state: "degraded", users: 100, upstream: { users: 70, users_here: 100 } });
  expect(stopped.drift).toEqual({ found: { ...repaired, missed_delete: 31 }, repaired });
  expect((await full(true)).state).toBe("succeeded");
  expect(await statusOf(db)).toMatchObject({ state: "live", users: 70 });
});

const OUTCOMES = ["applied", "stale", "ignored", "dead_lettered"];
const outcome = fc.constantFrom(...OUTCOMES);
const ids = fc.uniqueArray(fc.integer({ min: 0, max: 30 }), { maxLength: 8 });
/** Whatever statements of several connections may do to the deliveries, and take back. */
const statement = fc.record({
  kind: fc.constantFrom("claim", "change", "delete"),
  ids,
  outcome,
  isTakenBack: fc.boolean(),
});

test("the webhooks' outcomes are what the deliveries say, whoever wrote, changed or deleted them", async ({
  db,
}) => {
  const outcomesOf = async () => (await statusOf(db)).webhooks.outcomes;
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(statement, { maxLength: 6 }), { maxLength: 4 }), async (writers) => {
      await db.truncate();
      await Promise.all(
        writers.map(async (statements) => {
          for (const one of statements) {
            const list = `{${[...one.ids].sort((a, b) => a - b).join(",")}}`;
            const work = db.sql.begin(async (tx) => {
              if (one.kind === "claim") {
                await tx`
                  insert into mirror_data.deliveries as d (message_id, received_at, outcome)
                  select n::text, 1, ${one.outcome} from unnest(${list}::text::int[]) n
                  on conflict (message_id) do update set outcome = excluded.outcome`;
              } else if (one.kind === "change") {
                await tx`
                  update mirror_data.deliveries set outcome = ${one.outcome}
                  where message_id in (select n::text from unnest(${list}::text::int[]) n)`;
              } else {
                await tx`
                  delete from mirror_data.deliveries
                  where message_id in (select n::text from unnest(${list}::text::int[]) n)`;
              }
              if (one.isTakenBack) throw new Error("taken back");
            });
            // Updates in no order may deadlock, and are taken back too then.
            await work.catch(() => {});
          }
        }),
      );
      const rows = await db.sql<{ outcome: string; n: number }[]>`
        select outcome, count(*)::bigint as n from mirror_data.deliveries group by outcome order by outcome`;
      expect(await outcomesOf()).toEqual(Object.fromEntries(rows.map((row) => [row.outcome, row.n])));
    }),
    { numRuns: 40 },
  );
});

test("the status looks at no delivery and no membership, and counts what the views show", async ({ db }) => {
  const clerk = await startSandbox({ users: 60, organizations: 6, clockMs: 1_750_000_000_000 });
  sandbox = clerk;
  const { backfill, full } = await walksOver(db, clerk, { purgeLimit: 1 });
  await backfill();
  const shown = async () => {
    const [row] = await db.sql<
      { n: number }[]
    >`select count(*)::bigint as n from mirror.organization_memberships`;
    return row?.n ?? 0;
  };
  const all = await shown();
  expect((await statusOf(db)).memberships).toBe(all);
  const member = clerk.clerk.memberships()[0] as Record<string, { user_id: string; id: string }>;
  clerk.clerk.deleteUser(member.public_user_data?.user_id ?? "");
  clerk.clerk.deleteOrganization(member.organization?.id ?? "");
  await full();
  expect(await shown()).toBeLessThan(all);
  expect((await statusOf(db)).memberships).toBe(await shown());

  const other = postgres(db.url, { max: 1, onnotice: () => {} });
  try {
    await other.unsafe("begin; lock table mirror_data.deliveries in access exclusive mode");
    expect((await statusOf(db)).state).toBe("live");
  } finally {
    await other.end();
  }
});

test("the status names the days on which not everybody who was active is known", async ({ db }) => {
  expect((await statusOf(db)).activity).toBeNull();
  await db.sql`
    insert into mirror_data.upstream (api_url, environment, activity_since)
    values ('https://clerk.test', 'test', (extract(epoch from now()) * 1000)::bigint)`;
  expect((await statusOf(db)).activity).toMatchObject({ complete_days: 0, incomplete_days: [] });
  await db.sql`
    update mirror_data.upstream set activity_since = (extract(epoch from now() - interval '4 days') * 1000)::bigint`;
  await db.sql`
    insert into mirror_data.daily_users (day, active_complete)
    select (now() at time zone 'UTC')::date - ago, ago <> 2 from unnest(array[0, 1, 2, 3, 5]) as r(ago)`;
  const dates = await db.sql<{ day: string }[]>`
    select ((now() at time zone 'UTC')::date - ago)::text as day from unnest(array[4, 2]) as r(ago)`;
  const status = await statusOf(db);
  expect(status.activity).toMatchObject({
    complete_days: 2,
    incomplete_days: dates.map(({ day }) => day),
  });
  await db.sql`update mirror_data.upstream set activity_since = 0`;
  const { complete_days, incomplete_days } = (await statusOf(db)).activity ?? {};
  expect([complete_days, incomplete_days?.length]).toEqual([3, 27]);
});
