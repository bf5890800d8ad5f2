import { Writable } from "node:stream";
import { expect } from "vitest";
import { createLogger, silentLogger } from "../../../src/observability/logger.js";
import { createRetention } from "../../../src/sync/upkeep/retention.js";
import { test } from "../../support/database.js";

const NOW_MS = 1_750_000_000_000;
const DAY_MS = 86_400_000;
const KEPT = { changesMs: 7 * DAY_MS, lettersMs: 30 * DAY_MS };

test("what is older than a week goes; what is younger stays, and the newest old row of the feed", async ({
  db,
}) => {
  const { sql } = db;
  const oldChange = (id: string) =>
    sql`insert into mirror_data.changes (type, id, version, at) values ('user.upserted', ${id}, 1, ${NOW_MS - 9 * DAY_MS})`;
  await oldChange("older");
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
  const retention = createRetention({
    sql,
    clock: { now: () => NOW_MS },
    log: silentLogger(),
    ...KEPT,
  });
  expect(await retention.prune()).toBe(3);
  const left = async (table: string, column: string) =>
    (await sql.unsafe(`select ${column} as id from mirror_data.${table}`)).map((row) => row.id);
  expect(await left("deliveries", "message_id")).toEqual(["young"]);
  expect(await left("changes", "id")).toEqual(["old", "young"]);
  expect(await left("runs", "id")).toEqual(["young", "young check"]);
  expect(await left("windows", "run_id")).toEqual(["young"]);

  await sql`update mirror_data.changes set at = 0`;
  await retention.prune();
  expect(await left("changes", "id")).toEqual(["young"]);
});

test("the feed is pruned from its oldest row up to the first that is young, however the clock was set", async ({
  db,
}) => {
  const { sql } = db;
  const days = [9, 9, 9, 6, 9, 5];
  for (const [n, age] of days.entries())
    await sql`
      insert into mirror_data.changes (type, id, version, at)
      values ('user.upserted', ${String(n)}, 1, ${NOW_MS - age * DAY_MS})`;
  const retention = createRetention({
    ...{ sql, clock: { now: () => NOW_MS }, log: silentLogger(), ...KEPT },
  });
  expect(await retention.prune()).toBe(2);
  const left = await sql`select id from mirror_data.changes order by position`;
  expect(left.map(({ id }) => id)).toEqual(["2", "3", "4", "5"]);
});

test("more rows of the feed than one statement deletes all go at once", async ({ db }) => {
  await db.sql`
    insert into mirror_data.changes (type, id, version, at)
    select 'user.upserted', n, 1, 0 from generate_series(1, 12000) n`;
  const retention = createRetention({
    ...{ sql: db.sql, clock: { now: () => NOW_MS }, log: silentLogger(), ...KEPT },
  });
  expect(await retention.prune()).toBe(11_999);
  expect(await db.sql`select id from mirror_data.changes`).toEqual([{ id: "12000" }]);
});

test("dead letters are kept for as long as they may be, and the newest of too many; those that go are named in the log", async ({
  db,
}) => {
  const { sql } = db;
  const letter = (id: string, days: number, bytes: number) => sql`
    insert into mirror_data.dead_letters (id, payload, error, received_at, tried_at)
    values (${id}, ${"x".repeat(bytes)}, 'unusable', 1, ${NOW_MS - days * DAY_MS})`;
  const left = async () =>
    (await sql`select id from mirror_data.dead_letters order by id`).map(({ id }) => id);
  const lines: Record<string, unknown>[] = [];
  const stream = new Writable({
    write(chunk, _, done) {
      lines.push(JSON.parse(String(chunk)));
      done();
    },
  });
  const log = createLogger({ level: "trace", format: "json" }, stream as never);
  const prune = (limits: object) =>
    createRetention({ sql, clock: { now: () => NOW_MS }, log, ...KEPT, ...limits }).prune();

  for (const [id, days] of [
    ["a", 31],
    ["b", 29],
    ["c", 2],
    ["d", 1],
  ] as const)
    await letter(id, days, 100);
  await sql`insert into mirror_data.deliveries (message_id, received_at, outcome) values ('a', ${NOW_MS}, 'dead_lettered')`;
  expect(await prune({})).toBe(1);
  expect(await left()).toEqual(["b", "c", "d"]);
  // Given up, as by hand: the same message again is a duplicate.
  expect((await sql`select outcome from mirror_data.deliveries`)[0]?.outcome).toBe("stale");
  await prune({ lettersMs: 28 * DAY_MS });
  expect(await left()).toEqual(["c", "d"]);
  await letter("b", 27, 100);
  await prune({ mostLetters: 2 });
  expect(await left()).toEqual(["c", "d"]);
  await prune({ mostLetterBytes: 150 });
  expect(await left()).toEqual(["d"]);
  expect(lines.map(({ level, count, ids }) => [level, count, ids])).toEqual([
    [40, 1, ["a"]],
    [40, 1, ["b"]],
    [40, 1, ["b"]],
    [40, 1, ["c"]],
  ]);
});
