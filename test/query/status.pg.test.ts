import { afterEach, expect } from "vitest";
import { createStatusReader } from "../../src/query/status.js";
import { type Sandbox, startSandbox } from "../../src/sandbox/server.js";
import { latestRuns } from "../../src/sync/runs.js";
import { type TestDatabase, test } from "../support/database.js";
import { walksOver } from "../support/walks.js";

let sandbox: Sandbox;
afterEach(() => sandbox.close());

const statusOf = ({ sql }: TestDatabase) =>
  createStatusReader({
    sql,
    embedded: null,
    webhooks: true,
    cache: null,
    lastRuns: (limit) => latestRuns(sql, limit),
  }).read();

test("the status tells what is here and at Clerk, what was found and repaired, and what needs somebody", async ({
  db,
}) => {
  sandbox = await startSandbox({ users: 100, organizations: 2, clockMs: 1_750_000_000_000 });
  const ids = sandbox.clerk.users().map(({ id }) => String(id));
  const { backfill, incremental, full } = await walksOver(db, sandbox, { purgeLimit: 0.05 });
  expect(await statusOf(db)).toMatchObject({ state: "backfilling", users: 0, as_of: null, walker: null });
  await backfill();
  expect(await statusOf(db)).toMatchObject({
    state: "live",
    users: 100,
    organizations: 2,
    upstream: { users: 100, users_here: 0 },
    last_runs: [{ mode: "backfill", state: "succeeded", windows: { total: 3, done: 3 }, eta: null }],
  });

  sandbox.clerk.createUser({ first_name: "Missed" });
  sandbox.clerk.updateUser(ids[1] ?? "", { first_name: "Changed" });
  sandbox.clerk.deleteUser(ids[2] ?? "");
  await incremental();
  const repaired = { missed_create: 1, missed_update: 1, missed_delete: 1 };
  expect(await statusOf(db)).toMatchObject({
    state: "live",
    upstream: { users: 100, users_here: 100 },
    drift: { found: repaired, repaired },
  });

  for (const id of ids.slice(10, 40)) sandbox.clerk.deleteUser(id);
  expect(await full()).toMatchObject({ state: "stopped" });
  const stopped = await statusOf(db);
  expect(stopped).toMatchObject({ state: "degraded", users: 100, upstream: { users: 70, users_here: 100 } });
  expect(stopped.drift).toEqual({ found: { ...repaired, missed_delete: 31 }, repaired });
  expect((await full(true)).state).toBe("succeeded");
  expect(await statusOf(db)).toMatchObject({ state: "live", users: 70 });
});
