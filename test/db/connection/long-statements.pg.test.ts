import { afterEach, expect } from "vitest";
import { createConnections } from "../../../src/db/connection/connections.js";
import { whileServerWorks } from "../../../src/db/connection/long-statements.js";
import { migrateDatabase } from "../../../src/db/setup/migrate.js";
import { emptyDatabase, test } from "../../support/database.js";
import { startNetwork } from "../../support/network.js";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function open(url: string) {
  const network = await startNetwork(url);
  const connections = createConnections(network.url);
  const sql = connections.open({ name: "test long", max: 1, limitMs: Number.POSITIVE_INFINITY });
  cleanups.push(network.close, () => sql.end({ timeout: 0 }));
  const work = (statement: string) =>
    whileServerWorks(connections, sql, () => sql.unsafe(statement), { lookMs: 200 });
  return { network, sql, work };
}

test("a statement that takes long is waited for, as long as the server works on it", async ({ db }) => {
  const { sql, work } = await open(db.url);
  expect(await work("select 1 as one from pg_sleep(2)")).toEqual([{ one: 1 }]);
  expect(await sql`select 2 as two`).toEqual([{ two: 2 }]);
});

test("a statement whose answer was swallowed fails, whether it arrived or not", async ({ db }) => {
  const { network, work } = await open(db.url);
  const arrived = work("select 1 from pg_sleep(1)");
  arrived.catch(() => {});
  const isSleeping = () => db.sql`select from pg_stat_activity where query = 'select 1 from pg_sleep(1)'`;
  await expect.poll(isSleeping).toHaveLength(1);
  network.swallowOpen((hello) => hello.includes("test long"));
  await expect(arrived).rejects.toMatchObject({ code: expect.stringMatching(/^CONNECTION_/) });
});

test("a migration whose connection is swallowed ends, and the next one ends well", {
  timeout: 90_000,
}, async () => {
  const { url, drop } = await emptyDatabase();
  const network = await startNetwork(url);
  cleanups.push(drop, network.close);
  const isMigrating = (hello: string) => hello.includes("user-mirror migrate");
  const migrating = migrateDatabase({ url: network.url });
  migrating.catch(() => {});
  await expect.poll(network.open, { interval: 5 }).toBeGreaterThan(1);
  network.swallowOpen(isMigrating);
  await expect(migrating).rejects.toMatchObject({ code: "database_unavailable" });
  expect(await migrateDatabase({ url: network.url })).toEqual({ isWritable: true });
});
