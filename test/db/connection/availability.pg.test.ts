// Covers src/db/connection/{proofs,trouble}.ts

import { afterEach, describe, expect } from "vitest";
import { type Availability, createAvailability } from "../../../src/db/connection/availability.js";
import { connect, type Database } from "../../../src/db/connection/client.js";
import { silentLogger } from "../../../src/observability/logger.js";
import { test } from "../../support/database.js";
import { startNetwork } from "../../support/network.js";

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** `atTheEnd` is given how to end that. */
function watch(
  database: Database,
  atTheEnd: (cleanup: () => Promise<void>) => void = (cleanup) => cleanups.push(cleanup),
): Availability {
  const availability = createAvailability({ database, log: silentLogger() });
  const stopping = new AbortController();
  const running = availability.run(stopping.signal);
  atTheEnd(() => {
    stopping.abort();
    return running;
  });
  return availability;
}

/** A database behind a network, and who watches it. */
async function behindNetwork(databaseUrl: string) {
  const network = await startNetwork(databaseUrl);
  cleanups.push(network.close);
  const database = connect({ url: network.url });
  cleanups.push(database.close);
  return { network, sql: database.primary.sql, availability: watch(database) };
}

const untilAway = (availability: Availability, away: boolean) =>
  expect.poll(availability.isAway, { timeout: 10_000, interval: 10 }).toBe(away);

describe("a Postgres", () => {
  test("that swallows everything counts as away: who waits is told, and who comes is told at once", async ({
    db,
  }) => {
    const { network, sql, availability } = await behindNetwork(db.url);
    expect(await availability.guard(async () => (await sql`select 1 as one`)[0]?.one)).toBe(1);

    network.swallow();
    const waiting = availability.guard(async () => sql`select 2`);
    await expect(waiting).rejects.toMatchObject({ code: "database_unavailable" });
    expect(availability.isAway()).toBe(true);
    let begun = false;
    const late = availability.guard(async () => {
      begun = true;
    });
    await expect(late).rejects.toMatchObject({ code: "database_unavailable" });
    expect(begun).toBe(false);

    network.heal();
    await untilAway(availability, false);
    expect(await availability.guard(async () => (await sql`select 3 as three`)[0]?.three)).toBe(3);
  });

  test("that refuses counts as away from the first failure on, and as back once the hooks have ended", async ({
    db,
  }) => {
    const { network, sql, availability } = await behindNetwork(db.url);
    let hooked = 0;
    availability.onReturn(async () => {
      expect(availability.isAway()).toBe(true);
      hooked++;
      throw new Error("a hook that fails keeps nobody away");
    });
    await sql`select 1`;
    network.refuse();
    await expect(availability.guard(async () => sql`select 1`)).rejects.toMatchObject({
      code: "database_unavailable",
    });
    await untilAway(availability, true);
    await network.accept();
    await untilAway(availability, false);
    expect(hooked).toBe(1);
  });

  test("that refuses a statement is not away, and the failure is told as it is", async ({ db }) => {
    const database = connect({ url: db.url });
    cleanups.push(database.close);
    const { sql } = database.primary;
    const availability = watch(database);
    await expect(availability.guard(async () => sql`select 1 / 0`)).rejects.toMatchObject({ code: "22012" });
    expect(availability.isAway()).toBe(false);
    await expect(
      availability.guard(async () => sql`select pg_terminate_backend(pg_backend_pid())`),
    ).rejects.toMatchObject({ code: "database_unavailable" });
    expect(await availability.guard(async () => (await sql`select 1 as one`)[0]?.one)).toBe(1);
  });

  // They wait most of their time, each on connections of its own: so they do it together.
  test.concurrent.for([
    ["all connections", () => true],
    ["those of the pools and not the one that it watches", (hello: string) => !hello.includes("probe")],
    ["those that write", (hello: string) => hello.includes("user-mirror\0")],
    ["those that search", (hello: string) => hello.includes("search")],
  ] as const)(
    "that hears nothing more on %s, and on new ones everything, has them all opened anew",
    { timeout: 60_000 },
    async ([, which], { db, expect, onTestFinished }) => {
      const network = await startNetwork(db.url);
      onTestFinished(network.close);
      const database = connect({ url: network.url, poolMax: 8 });
      onTestFinished(() => database.close());
      const {
        primary: { sql, orm },
        readers: { points: reads, searches: search },
      } = database;
      const slow = [sql, reads, search].flatMap((pool) => [
        pool`select pg_sleep(0.1)`,
        pool`select pg_sleep(0.1)`,
      ]);
      await Promise.allSettled([...slow, orm.execute("select 1")]);
      const availability = watch(database, onTestFinished);
      await expect.poll(availability.isWhole).toBe(true);
      const before = network.accepted();
      const old = network.connections();
      network.swallowOpen(which);
      const waiting = Promise.allSettled(
        [sql, reads, search].map((pool) => availability.guard(async () => pool`select 1 as one`)),
      );
      await expect.poll(availability.isWhole, { timeout: 20_000, interval: 200 }).toBe(false);
      for (const result of await waiting) {
        if (result.status === "rejected")
          expect(result.reason).toMatchObject({ code: "database_unavailable" });
      }
      await expect
        .poll(() => old.filter((connection) => !connection.destroyed), { timeout: 20_000 })
        .toEqual([]);
      const works = () =>
        Promise.all([sql, reads, search].map((pool) => availability.guard(async () => pool`select 1`)));
      await expect
        .poll(
          () =>
            works().then(
              () => availability.isWhole(),
              () => false,
            ),
          { timeout: 20_000 },
        )
        .toBe(true);
      await orm.execute("select 1");
      expect(network.accepted()).toBeGreaterThan(before);
    },
  );

  test("that becomes read-only is whole no more, and is again, with its hooks called, once it can be written", async ({
    db,
  }) => {
    const database = connect({ url: db.url });
    cleanups.push(database.close);
    const availability = watch(database);
    let hooked = 0;
    availability.onReturn(async () => hooked++);
    await expect.poll(availability.isWhole).toBe(true);
    const name = db.url.slice(db.url.lastIndexOf("/") + 1);
    const set = async (value: string) => {
      await db.sql.unsafe(`alter database "${name}" set default_transaction_read_only = ${value}`);
      database.connections.sever();
    };
    await set("on");
    await expect.poll(availability.isWhole, { timeout: 10_000 }).toBe(false);
    expect(availability.isAway()).toBe(false);
    await expect(
      availability.guard(async () => database.primary.sql`update mirror_data.counters set n = n`),
    ).rejects.toMatchObject({ code: "database_unavailable" });
    expect(await availability.guard(async () => database.readers.points`select 1 as one`)).toEqual([
      { one: 1 },
    ]);
    expect(hooked).toBe(0);
    await db.sql.begin(async (tx) => {
      await tx.unsafe("set transaction read write");
      await tx.unsafe(`alter database "${name}" reset default_transaction_read_only`);
    });
    database.connections.sever();
    await expect.poll(availability.isWhole, { timeout: 10_000 }).toBe(true);
    expect(hooked).toBeGreaterThan(0);
  });
});
