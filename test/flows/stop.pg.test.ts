// Covers src/runtime/{server,services}.ts

import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer, type Socket } from "node:net";
import { afterEach, describe, expect } from "vitest";
import { startSandbox } from "../../src/sandbox/server.js";
import { test } from "../support/database.js";
import { spawnMain, spawnMirror } from "../support/mirror.js";
import { startNetwork } from "../support/network.js";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function ended(child: ChildProcess): Promise<number | null> {
  cleanups.push(() => child.kill("SIGKILL"));
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  const [code] = (await exited) as [number | null];
  return code;
}

// The time that each may take is the one within which a supervisor wants a process to have ended.
describe("SIGTERM ends a process whose Postgres doesn't answer any more", { timeout: 60_000 }, () => {
  test("while it serves", async ({ db }) => {
    const network = await startNetwork(db.url);
    const sandbox = await startSandbox({ users: 20 });
    cleanups.push(network.close, sandbox.close);
    const { child, url } = await spawnMirror({ sandbox, databaseUrl: network.url });
    network.swallow();
    const reading = fetch(`${url}/v1/users/count`, {
      headers: { Authorization: `Bearer ${sandbox.secretKey}` },
    });
    expect((await reading).status).toBe(200);
    expect(await endedInTime(child)).toBe(true);
  });

  test("in the middle of a backfill", async ({ db }) => {
    const network = await startNetwork(db.url);
    const sandbox = await startSandbox({ users: 2000 });
    cleanups.push(network.close, sandbox.close);
    const { child } = await spawnMirror({ sandbox, databaseUrl: network.url, untilLive: false });
    await expect
      .poll(() => db.sql`select from mirror_data.users limit 1`, { timeout: 20_000 })
      .toHaveLength(1);
    network.swallow();
    expect(await endedInTime(child)).toBe(true);
  });

  test("while it starts", async () => {
    const sockets: Socket[] = [];
    const server = createServer((socket) => {
      sockets.push(socket.on("error", () => {}));
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const sandbox = await startSandbox({ users: 2 });
    cleanups.push(
      () => server.close(),
      sandbox.close,
      () => sockets.forEach((socket) => void socket.destroy()),
    );
    const { port } = server.address() as AddressInfo;
    const child = spawnMain({ sandbox, databaseUrl: `postgres://user@127.0.0.1:${port}/db` });
    await expect.poll(() => sockets.length, { timeout: 20_000 }).toBeGreaterThan(0);
    expect(await endedInTime(child)).toBe(true);
  });
});

async function endedInTime(child: ChildProcess): Promise<boolean> {
  const timer = AbortSignal.timeout(20_000);
  await ended(child);
  return !timer.aborted;
}
