import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { Socket } from "node:net";
import { dirname, join } from "node:path";
import { finished } from "node:stream/promises";
import { setTimeout } from "node:timers/promises";
import { describe, expect, onTestFinished, vi } from "vitest";
import { connect } from "../../../src/db/connection/client.js";
import { mend } from "../../../src/db/connection/driver.js";
import { commitNow } from "../../../src/db/connection/session.js";
import type { Sql, Tx } from "../../../src/db/connection/sql.js";
import { test } from "../../support/database.js";
import { startNetwork } from "../../support/network.js";

type Network = Awaited<ReturnType<typeof startNetwork>>;

test("a postgres.js without one of the lines that are mended is refused, not loaded as it is", () => {
  const file = join(dirname(createRequire(import.meta.url).resolve("postgres")), "connection.js");
  const source = readFileSync(file, "utf8");
  expect(mend("connection.js", source)).not.toBe(source);
  const line = "    socket.removeAllListeners()\n    socket = null\n";
  expect(() => mend("connection.js", source.replace(line, ""))).toThrow(
    /connection\.js has 0 times .*socket = null/,
  );
  expect(() => mend("connection.js", source + line)).toThrow(/has 2 times/);
});

test("what is sent to Postgres waits for no acknowledgement of what was sent before it", async ({ db }) => {
  const setNoDelay = vi.spyOn(Socket.prototype, "setNoDelay");
  onTestFinished(() => setNoDelay.mockRestore());
  const { primary, close } = connect({ url: db.url, poolMax: 1 });
  await primary.sql`select 1`;
  const told = setNoDelay.mock.contexts.map((socket, n) => [
    (socket as Socket).remotePort,
    setNoDelay.mock.calls[n],
  ]);
  expect(told).toContainEqual([Number(new URL(db.url).port), [true]]);
  await close();
});

/** Asks for queries, transactions and copies at once, and cuts their connections so many milliseconds later. */
async function cutAfter(ms: number, { sql, network, long }: { sql: Sql; network: Network; long: string }) {
  const queries = Array.from({ length: 6 }, () => sql`select ${long}::text, pg_sleep(0.002)`);
  const transactions = Array.from({ length: 4 }, () =>
    sql.begin(async (tx) => {
      await tx`select ${long}::text`;
      await Promise.all([tx`select pg_sleep(0.003)`, tx`select ${long}::text as again`]);
    }),
  );
  const copies = Array.from({ length: 2 }, () =>
    sql.begin(async (tx) => {
      const copying = await tx`copy copied from stdin`.writable();
      copying.end(`${long}\n`.repeat(500));
      await finished(copying);
    }),
  );
  const all = Promise.allSettled([...queries, ...transactions, ...copies]);
  await setTimeout(ms);
  network.cut();
  return (await all).filter(({ status }) => status === "rejected").length;
}

test("connections cut at any moment fail their queries and transactions, and work again afterwards", async ({
  db,
}) => {
  await db.sql`create table copied (text text)`;
  // Each pause before a new connection is waited for: so several pools do it side by side.
  const rounds = Array.from({ length: 40 }, (_, round) => round);
  const rejected = [0, 1, 2, 3].map(async (nth) => {
    const network = await startNetwork(db.url);
    const {
      primary: { sql },
      close,
    } = connect({ url: network.url, poolMax: 3 });
    let count = 0;
    for (const round of rounds.filter((one) => one % 4 === nth)) {
      const long = "x".repeat(round % 2 === 0 ? 10 : 2000);
      count += await cutAfter(round / 4, { sql, network, long });
    }
    const works = async () => {
      const answers = await Promise.allSettled(Array.from({ length: 6 }, () => sql`select pg_sleep(0.02)`));
      return answers.filter(({ status }) => status === "fulfilled").length;
    };
    // The first may still meet a connection that is just ending.
    await expect.poll(works, { timeout: 10_000 }).toBe(6);
    await close();
    network.close();
    return count;
  });
  const counts = await Promise.all(rejected);
  expect(counts.reduce((sum, count) => sum + count)).toBeGreaterThan(40);
});

test("a connection that the server ended in the middle of a query works again with the next", async ({
  db,
}) => {
  const {
    primary: { sql },
    close,
  } = connect({ url: db.url, poolMax: 1 });
  for (let round = 0; round < 5; round++) {
    const [own] = await sql<{ pid: number }[]>`select pg_backend_pid() as pid`;
    const running = sql`select pg_sleep(60)`;
    running.catch(() => {});
    const isRunning = () =>
      db.sql`select from pg_stat_activity where pid = ${own?.pid ?? 0} and query like '%pg_sleep(60)%'`;
    await expect.poll(async () => (await isRunning()).count).toBe(1);
    await db.sql`select pg_terminate_backend(${own?.pid ?? 0})`;
    await expect(running).rejects.toMatchObject({ code: expect.stringMatching("57P01|CONNECTION_CLOSED") });
    expect(await sql`select 1 as one`).toEqual([{ one: 1 }]);
  }
  await close();
});

describe("a transaction that sends its commit behind its statements", () => {
  const counted = async (sql: Sql) =>
    (await sql<{ n: number }[]>`select count(*)::int as n from own.notes`)[0]?.n;

  test("is committed when that is answered, and its connection goes on", async ({ db }) => {
    await db.sql.unsafe(
      "drop schema if exists own cascade; create schema own; create table own.notes (id int primary key)",
    );
    const { primary } = connect({ url: db.url, poolMax: 1 });
    for (const id of [1, 2]) {
      const result = await primary.sql.begin(async (tx) => {
        const sent = tx`insert into own.notes values (${id}::int)`.execute();
        await Promise.all([sent, commitNow(tx as Tx)]);
        expect(await counted(db.sql)).toBe(id);
        return "done";
      });
      expect(result).toBe("done");
    }
    await primary.sql.end();
  });

  test("is rolled back when one of them fails, and tells why", async ({ db }) => {
    await db.sql.unsafe(
      "drop schema if exists own cascade; create schema own; create table own.notes (id int primary key)",
    );
    const { primary } = connect({ url: db.url, poolMax: 1 });
    const failed = primary.sql.begin(async (tx) => {
      const sent = [1, 1, 2].map((id) => tx`insert into own.notes values (${id}::int)`.execute());
      await Promise.all([...sent, commitNow(tx as Tx)]);
    });
    await expect(failed).rejects.toMatchObject({ code: "23505" });
    expect(await counted(db.sql)).toBe(0);
    await primary.sql.begin((tx) => tx`insert into own.notes values (3)`);
    expect(await counted(db.sql)).toBe(1);
    await primary.sql.end();
  });
});
