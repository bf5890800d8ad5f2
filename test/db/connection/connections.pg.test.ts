// Covers src/db/connection/{client,sql,bulk}.ts

import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { afterEach, describe, expect } from "vitest";
import { createBackoff, createConnections, withLimit } from "../../../src/db/connection/connections.js";
import { test } from "../../support/database.js";
import { startNetwork } from "../../support/network.js";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function listen(onSocket: (socket: Socket) => void): Promise<{ server: Server; host: string }> {
  const server = createServer(onSocket).listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanups.push(() => server.close());
  return { server, host: `127.0.0.1:${(server.address() as AddressInfo).port}` };
}

/** An address that nobody listens at. */
async function refused(): Promise<string> {
  const { server, host } = await listen(() => {});
  server.close();
  await once(server, "close");
  return host;
}

function open(url: string, max = 1, limitMs = 5000) {
  const connections = createConnections(url);
  const sql = connections.open({ name: "test", max, limitMs, connectTimeout: 1 });
  cleanups.push(() => sql.end({ timeout: 0 }));
  return { connections, sql };
}

describe("a server that takes connections and closes them", () => {
  test("fails what is asked, each statement by one attempt", async () => {
    let attempts = 0;
    const { host } = await listen((socket) => {
      attempts++;
      socket.destroy();
    });
    const { sql } = open(`postgres://user@${host}/db`);
    for (let asked = 1; asked <= 4; asked++) {
      await expect(sql`select 1`).rejects.toMatchObject({
        code: expect.stringMatching(/CONNECTION_CLOSED|ECONNRESET/),
      });
      expect(attempts).toBe(asked);
    }
  });
});

test("the pause before a connection is tried again grows with the time for which there has been none", () => {
  let nowMs = 0;
  const pauseAfter = createBackoff(() => nowMs);
  const at = (ms: number, failures: number) => {
    nowMs = ms;
    return pauseAfter(failures);
  };
  expect(at(0, 1)).toBe(0.25);
  expect(at(500, 2)).toBe(0.25);
  expect(at(2000, 9)).toBe(0.5);
  expect(at(60_000, 80)).toBe(1);
  expect(at(70_000, 0)).toBe(0.25);
  expect(at(70_100, 1)).toBe(0.25);
});

describe("several hosts", () => {
  test("of which all refuse fail what is asked, with the reason", async () => {
    const { sql } = open(`postgres://user@${await refused()},${await refused()}/db`);
    await expect(sql`select 1`).rejects.toMatchObject({ code: "ECONNREFUSED" });
    await expect(sql`select 1`).rejects.toMatchObject({ code: "ECONNREFUSED" });
  });

  test("are tried in their order, each time from the first on", async ({ db }) => {
    const network = await startNetwork(db.url);
    cleanups.push(network.close);
    const first = await startNetwork(db.url);
    cleanups.push(first.close);
    const silent = await listen(() => {});
    const hostOf = (url: string) => new URL(url).host;
    for (const before of [await refused(), silent.host]) {
      const url = new URL(network.url);
      const hosts = [before, hostOf(network.url), hostOf(first.url)];
      const { sql } = open(network.url.replace(url.host, hosts.join(",")));
      expect(await sql`select 1 as one`).toEqual([{ one: 1 }]);
      network.cut();
      await sql`select 1`.catch(() => {});
      expect(await sql`select 2 as two`).toEqual([{ two: 2 }]);
      await sql.end();
    }
    expect(first.accepted()).toBe(0);
  });

  test("are passed over until one is what target_session_attrs asks for", async ({ db }) => {
    const { host } = new URL(db.url);
    const { sql } = open(`${db.url.replace(host, `${host},${host}`)}?target_session_attrs=standby`);
    await expect(sql`select 1`).rejects.toThrow(/no server is standby/);
  });
});

describe("a pool", () => {
  test("that ends leaves no socket behind, whatever its connections were waiting for", async ({ db }) => {
    const network = await startNetwork(db.url);
    cleanups.push(network.close);
    const { host } = await listen(() => {});
    const idle = open(network.url, 2).sql;
    await Promise.all([idle`select pg_sleep(0.05)`, idle`select 1`]);
    const connecting = open(`postgres://user@${host}/db`).sql;
    const pausing = open(`postgres://user@${await refused()}/db`).sql;
    await expect(pausing`select 1`).rejects.toMatchObject({ code: "ECONNREFUSED" });
    const waiting = [connecting`select 1`, pausing`select 1`].map((query) => query.catch((error) => error));
    network.swallow();
    await Promise.all([idle, connecting, pausing].map((sql) => sql.end({ timeout: 0 })));
    for (const error of await Promise.all(waiting)) {
      expect(error).toMatchObject({ code: expect.stringMatching(/CONNECTION_(DESTROYED|ENDED)/) });
    }
    await expect.poll(network.open).toBe(0);
  });

  test("is asked anew by every statement after it was severed, also where it had been swallowed", async ({
    db,
  }) => {
    const network = await startNetwork(db.url);
    cleanups.push(network.close);
    const { connections, sql } = open(network.url, 2);
    await Promise.all([sql`select pg_sleep(0.05)`, sql`select 1`]);
    network.swallowOpen();
    const waiting = sql`select 2 as two`;
    waiting.catch(() => {});
    await expect.poll(network.swallowed).toBeGreaterThan(0);
    connections.sever();
    await expect(waiting).rejects.toMatchObject({ code: "CONNECTION_CLOSED" });
    await expect.poll(network.open).toBe(0);
    expect(await sql`select 3 as three`).toEqual([{ three: 3 }]);
  });

  test("whose statement isn't answered in its time severs all pools, inside a transaction too", async ({
    db,
  }) => {
    const network = await startNetwork(db.url);
    cleanups.push(network.close);
    const { connections, sql } = open(network.url, 2, 500);
    const other = connections.open({ name: "other", max: 1, limitMs: 60_000 });
    cleanups.push(() => other.end({ timeout: 0 }));
    const silent: string[] = [];
    connections.onSilence((name) => silent.push(name));
    const elsewhere = other`select pg_sleep(60)`;
    elsewhere.catch(() => {});
    const transaction = sql.begin(async (tx) => {
      await tx`select 1`;
      network.swallowOpen();
      await tx`select 2`;
    });
    await expect(transaction).rejects.toMatchObject({ code: "CONNECTION_CLOSED" });
    await expect(elsewhere).rejects.toMatchObject({ code: "CONNECTION_CLOSED" });
    expect(silent).toEqual(["test"]);
  });

  test("leaves alone what has a longer limit of its own, or is answered while this process is busy", async ({
    db,
  }) => {
    const { connections, sql } = open(db.url, 2, 500);
    const silent: string[] = [];
    connections.onSilence((name) => silent.push(name));
    const patient = withLimit(sql, 60_000);
    const slow = [
      patient`select pg_sleep(1.5)`,
      patient.begin(async (tx) => {
        await tx`select pg_sleep(1.2)`;
        await tx.savepoint((inner) => inner`select pg_sleep(1.2)`);
      }),
    ];
    await Promise.all(slow);
    const answered = sql`select pg_sleep(0.05)`.then(() => true);
    await sql`select 1`;
    for (const end = performance.now() + 2000; performance.now() < end; );
    expect(await answered).toBe(true);
    expect(silent).toEqual([]);
  });

  test("whose connections are all taken lets nobody wait for one without end", { timeout: 20_000 }, async ({
    db,
  }) => {
    const { connections, sql } = open(db.url, 1, 60_000);
    const taken = sql.begin((tx) => tx`select pg_sleep(30)`);
    taken.catch(() => {});
    const isTaken = () => db.sql`select from pg_stat_activity where query = 'select pg_sleep(30)'`;
    await expect.poll(isTaken).toHaveLength(1);
    await expect(sql`select 2`).rejects.toMatchObject({ code: "POOL_BUSY" });
    connections.sever();
    await expect(taken).rejects.toMatchObject({ code: "CONNECTION_CLOSED" });
    // The first may still meet the connection that is just ending.
    await expect.poll(() => sql`select 3 as three`.catch(() => null)).toEqual([{ three: 3 }]);
  });
});
