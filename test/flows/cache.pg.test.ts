// Covers src/cache/*.ts, src/changes/feed.ts

import type { ChildProcess } from "node:child_process";
import { createClerkClient } from "@clerk/backend";
import { Webhook } from "svix";
import { afterEach, describe, expect } from "vitest";
import { type Sandbox, startSandbox } from "../../src/sandbox/server.js";
import { test } from "../support/database.js";
import { killHard, spawnMirror, startMirror, WEBHOOK_SECRET } from "../support/mirror.js";

let sandbox: Sandbox;
const children: ChildProcess[] = [];
const servers: { stop(): Promise<void> }[] = [];

afterEach(async () => {
  await Promise.all(children.splice(0).map(killHard));
  await Promise.all(servers.splice(0).map((server) => server.stop()));
  await sandbox.close();
});

const USERS = 12;
const EVENTS = 40;

interface Read {
  version: number;
  from: string;
}

async function read(url: string, id: string, minVersion?: string): Promise<Read> {
  const response = await fetch(`${url}/v1/users/${id}`, {
    headers: {
      Authorization: `Bearer ${sandbox.secretKey}`,
      ...(minVersion !== undefined && { "X-Mirror-Min-Version": minVersion }),
    },
  });
  expect(response.status).toBe(200);
  const { first_name } = (await response.json()) as { first_name: string };
  const from = /^\w+/.exec(response.headers.get("server-timing") ?? "")?.[0] ?? "";
  return { version: Number(/^v(\d+)$/.exec(first_name)?.[1] ?? 0), from };
}

let messages = 0;

/** Tells this process that the user has this version, and returns the state of the database that shows it. */
async function tell(url: string, user: Record<string, unknown>, version: number): Promise<string> {
  const now = new Date();
  const data = { ...user, first_name: `v${version}`, updated_at: Number(user.updated_at) + version };
  const body = JSON.stringify({ object: "event", type: "user.updated", timestamp: now.getTime(), data });
  const id = `msg_${++messages}`;
  const response = await fetch(`${url}/webhooks/clerk`, {
    method: "POST",
    body,
    headers: {
      "content-type": "application/json",
      "svix-id": id,
      "svix-timestamp": String(Math.floor(now.getTime() / 1000)),
      "svix-signature": new Webhook(WEBHOOK_SECRET).sign(id, now, body),
    },
  });
  expect([response.status, await response.json()]).toEqual([200, { status: "applied" }]);
  return response.headers.get("x-mirror-version") ?? "";
}

const options = (databaseUrl: string) => ({
  ...{ sandbox, databaseUrl },
  env: { RECONCILE_INTERVAL: "0", FULL_RECONCILE_INTERVAL: "0" },
});

describe("the caches of two processes", () => {
  test("show no older state than was acknowledged, under a storm of updates and reads", async ({ db }) => {
    sandbox = await startSandbox({ users: USERS });
    const users = sandbox.clerk.users();
    const spawned = await Promise.all([spawnMirror(options(db.url)), spawnMirror(options(db.url))]);
    children.push(...spawned.map(({ child }) => child));
    const urls = spawned.map(({ url }) => url);
    const other = (url: string) => urls.find((one) => one !== url) ?? url;
    let isOver = false;
    const sources = new Set<string>();

    /** What one process shows of one user never goes back. */
    async function watch(url: string, id: string): Promise<void> {
      let last = 0;
      while (!isOver) {
        const { version, from } = await read(url, id);
        expect(version).toBeGreaterThanOrEqual(last);
        last = version;
        sources.add(from);
      }
    }

    async function storm(user: Record<string, unknown>, nth: number): Promise<void> {
      const id = String(user.id);
      for (let version = 1; version <= EVENTS; version++) {
        const url = urls[(nth + version) % 2] ?? "";
        const committed = await tell(url, user, version);
        expect((await read(url, id)).version).toBe(version);
        const there = async () => (await read(other(url), id)).version;
        if (version % 4 > 1) await expect.poll(there, { interval: 1 }).toBe(version);
        else expect(await read(other(url), id, committed)).toEqual({ version, from: "postgres" });
      }
    }

    const watching = urls.flatMap((url) => users.map((user) => watch(url, String(user.id))));
    await Promise.all(users.map(storm)).finally(() => {
      isOver = true;
    });
    await Promise.all(watching);
    expect(sources).toEqual(new Set(["memory", "postgres"]));
    for (const url of urls) {
      for (const { id } of users)
        await expect.poll(async () => (await read(url, String(id))).version).toBe(EVENTS);
    }
  });

  test("drop what their own process commits, without waiting to hear of it", async ({ db }) => {
    sandbox = await startSandbox({ users: 1 });
    const [user = {}] = sandbox.clerk.users();
    const id = String(user.id);
    const { url, stop } = await startMirror(options(db.url));
    servers.push({ stop });
    await expect.poll(async () => (await read(url, id)).from).toBe("memory");
    const [listener] = await db.sql<{ pid: number }[]>`
      select pid from pg_stat_activity
      where application_name = 'user-mirror notifications' and datname = current_database()`;
    const pid = listener?.pid ?? 0;
    process.kill(pid, "SIGSTOP");
    try {
      await tell(url, user, 1);
      expect((await read(url, id)).version).toBe(1);
      expect((await read(url, id)).version).toBe(1);
      const clerk = createClerkClient({ secretKey: sandbox.secretKey, apiUrl: url });
      await clerk.users.updateUser(id, { firstName: "v2" });
      expect((await read(url, id)).version).toBe(2);
      const { updatedAt } = await clerk.users.getUser(id);
      await clerk.users.disableUserMFA(id);
      expect((await clerk.users.getUser(id)).updatedAt).toBeGreaterThan(updatedAt);
    } finally {
      process.kill(pid, "SIGCONT");
    }
  });

  test("are left alone while the process doesn't hear of commits, and are right again when it does", async ({
    db,
  }) => {
    sandbox = await startSandbox({ users: 1 });
    const [user = {}] = sandbox.clerk.users();
    const id = String(user.id);
    const [one, two] = await Promise.all([startMirror(options(db.url)), startMirror(options(db.url))]);
    servers.push(one, two);
    const from = async () => (await read(two.url, id)).from;
    await expect.poll(from).toBe("memory");
    await db.sql`
      select pg_terminate_backend(pid) from pg_stat_activity
      where application_name = 'user-mirror notifications' and datname = current_database()`;
    await expect.poll(from, { interval: 10 }).toBe("postgres");
    await tell(one.url, user, 1);
    expect((await read(two.url, id)).version).toBe(1);
    await expect.poll(from, { timeout: 10_000 }).toBe("memory");
    expect(await read(two.url, id)).toEqual({ version: 1, from: "memory" });
  });
});
