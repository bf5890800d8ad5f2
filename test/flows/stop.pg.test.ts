// Covers src/runtime/{server,services}.ts

import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer, type Socket } from "node:net";
import { setTimeout } from "node:timers/promises";
import { describe, test } from "vitest";
import { startSandbox } from "../../src/sandbox/server.js";
import { freshDatabase } from "../support/database.js";
import { queryOnce } from "../support/embedded-process.js";
import { spawnMain, spawnMirror } from "../support/mirror.js";
import { startNetwork } from "../support/network.js";

/** Whether it ended within the time in which a supervisor wants a process to have ended. */
async function endedInTime(child: ChildProcess): Promise<boolean> {
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  const late = setTimeout(20_000, "late", { ref: false });
  return (await Promise.race([exited, late])) !== "late";
}

// Almost all of their time they wait, each for a server of its own: so they do it together.
describe.concurrent("SIGTERM ends a process whose Postgres doesn't answer any more", {
  timeout: 90_000,
}, () => {
  test("while it serves", async ({ expect, onTestFinished }) => {
    const own = await freshDatabase();
    onTestFinished(own.drop);
    const network = await startNetwork(own.url);
    onTestFinished(network.close);
    const sandbox = await startSandbox({ users: 20 });
    onTestFinished(sandbox.close);
    const { child, url } = await spawnMirror({ sandbox, databaseUrl: network.url });
    onTestFinished(() => void child.kill("SIGKILL"));
    network.swallow();
    const reading = fetch(`${url}/v1/users/count`, {
      headers: { Authorization: `Bearer ${sandbox.secretKey}` },
    });
    expect((await reading).status).toBe(200);
    expect(await endedInTime(child)).toBe(true);
  });

  test("in the middle of a backfill", async ({ expect, onTestFinished }) => {
    const own = await freshDatabase();
    onTestFinished(own.drop);
    const network = await startNetwork(own.url);
    onTestFinished(network.close);
    const sandbox = await startSandbox({ users: 2000 });
    onTestFinished(sandbox.close);
    const { child } = await spawnMirror({ sandbox, databaseUrl: network.url, untilLive: false });
    onTestFinished(() => void child.kill("SIGKILL"));
    const stored = () => queryOnce(own.url, "select from mirror_data.users limit 1");
    await expect.poll(stored, { timeout: 20_000 }).toHaveLength(1);
    network.swallow();
    expect(await endedInTime(child)).toBe(true);
  });

  test("while it starts", async ({ expect, onTestFinished }) => {
    const sockets: Socket[] = [];
    const server = createServer((socket) => {
      sockets.push(socket.on("error", () => {}));
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => void server.close());
    onTestFinished(() => sockets.forEach((socket) => void socket.destroy()));
    const sandbox = await startSandbox({ users: 2 });
    onTestFinished(sandbox.close);
    const { port } = server.address() as AddressInfo;
    const child = spawnMain({ sandbox, databaseUrl: `postgres://user@127.0.0.1:${port}/db` });
    onTestFinished(() => void child.kill("SIGKILL"));
    await expect.poll(() => sockets.length, { timeout: 20_000 }).toBeGreaterThan(0);
    expect(await endedInTime(child)).toBe(true);
  });
});
