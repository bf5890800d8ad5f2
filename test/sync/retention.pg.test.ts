import { expect } from "vitest";
import { silentLogger } from "../../src/observability/logger.js";
import { createRetention } from "../../src/sync/retention.js";
import { test } from "../support/database.js";

const NOW_MS = 1_750_000_000_000;
const DAY_MS = 86_400_000;

test("what is older than a week goes, what is younger and the feed's last row stay", async ({ db }) => {
  const { sql } = db;
  for (const [id, days] of [
    ["old", 8],
    ["young", 6],
  ] as const) {
    const at = NOW_MS - days * DAY_MS;
    await sql`insert into mirror_data.deliveries (message_id, received_at, outcome) values (${id}, ${at}, 'applied')`;
    await sql`insert into mirror_data.changes (type, id, version, at) values ('user.upserted', ${id}, 1, ${at})`;
    await sql`
      insert into mirror_data.runs (id, mode, state, queued_at, finished_at)
      values (${id}, 'full', 'succeeded', ${at}, ${at - 83 * DAY_MS})`;
    await sql`
      insert into mirror_data.runs (id, mode, state, queued_at, finished_at)
      values (${`${id} check`}, 'incremental', 'succeeded', ${at}, ${at})`;
    await sql`insert into mirror_data.windows (run_id, what, position) values (${id}, 'users', 0)`;
  }
  const retention = createRetention({ sql, clock: { now: () => NOW_MS }, log: silentLogger() });
  expect(await retention.prune()).toBe(3);
  const left = async (table: string, column: string) =>
    (await sql.unsafe(`select ${column} as id from mirror_data.${table}`)).map((row) => row.id);
  expect(await left("deliveries", "message_id")).toEqual(["young"]);
  expect(await left("changes", "id")).toEqual(["young"]);
  expect(await left("runs", "id")).toEqual(["young", "young check"]);
  expect(await left("windows", "run_id")).toEqual(["young"]);

  await sql`update mirror_data.changes set at = 0`;
  await retention.prune();
  expect(await left("changes", "id")).toEqual(["young"]);
});
