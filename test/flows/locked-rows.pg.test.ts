// Covers src/sync/apply/{isolate,locked}.ts, src/sync/answers/unapplied.ts, src/sync/reconcile/until-unlocked.ts

import { Webhook } from "svix";
import { afterEach, describe, expect } from "vitest";
import type { Tx } from "../../src/db/connection/sql.js";
import type { RunningServer } from "../../src/runtime/server.js";
import { type Sandbox, startSandbox } from "../../src/sandbox/server.js";
import { test } from "../support/database.js";
import { holdLocks } from "../support/hold-locks.js";
import { expectSame, startMirror, WEBHOOK_SECRET } from "../support/mirror.js";

let sandbox: Sandbox;
let server: RunningServer;
const releases: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const release of releases.splice(0)) await release();
  await server.stop();
  await sandbox.close();
});

async function start(url: string): Promise<string[]> {
  sandbox = await startSandbox({ users: 30, organizations: 2, retryScheduleMs: [500, 500, 500, 500] });
  server = await startMirror({ sandbox, databaseUrl: url, env: { RECONCILE_INTERVAL: "0" } });
  return sandbox.clerk.users().map(({ id }) => String(id));
}

async function hold(url: string, take: (tx: Tx) => Promise<unknown>): Promise<() => Promise<void>> {
  const release = await holdLocks(url, take);
  releases.push(release);
  return release;
}

async function call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(`${server.url}${path}`, {
    method,
    headers: { Authorization: `Bearer ${sandbox.secretKey}`, "Content-Type": "application/json", ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return {
    status: response.status,
    source: response.headers.get("x-mirror-source"),
    body: (await response.json()) as Record<string, unknown>,
  };
}

async function sendWebhook(id: string, user: unknown): Promise<number> {
  const body = JSON.stringify({ type: "user.updated", data: user, object: "event", timestamp: Date.now() });
  const now = new Date();
  const response = await fetch(`${server.url}/webhooks/clerk`, {
    method: "POST",
    body,
    headers: {
      "svix-id": id,
      "svix-timestamp": String(Math.floor(now.getTime() / 1000)),
      "svix-signature": new Webhook(WEBHOOK_SECRET).sign(id, now, body),
    },
  });
  await response.text();
  return response.status;
}

const lockUser = (id: string) => (tx: Tx) => tx`select from mirror_data.users where id = ${id} for update`;

describe("while another session holds a user's row", () => {
  test("a write of that user is Clerk's answer, and the user Clerk's until it is applied", async ({ db }) => {
    const [id = "", other = ""] = await start(db.url);
    const release = await hold(db.url, lockUser(id));
    const writes = Array.from({ length: 20 }, (_, n) =>
      call("PATCH", `/v1/users/${id}`, { first_name: `Name ${n}` }),
    );
    for (const { status } of await Promise.all(writes)) expect(status).toBe(200);
    const last = await call("PATCH", `/v1/users/${id}`, { first_name: "Last" });
    expect(last).toMatchObject({ status: 200, body: { first_name: "Last" } });
    expect(await call("GET", `/v1/users/${id}`)).toMatchObject({
      source: "upstream",
      body: { first_name: "Last" },
    });
    expect(await call("PATCH", `/v1/users/${other}`, { first_name: "Free" })).toMatchObject({ status: 200 });
    expect(await call("GET", `/v1/users/${other}`)).toMatchObject({
      source: "local",
      body: { first_name: "Free" },
    });
    await release();
    const isLocal = async () => call("GET", `/v1/users/${id}`);
    await expect
      .poll(isLocal, { timeout: 20_000 })
      .toMatchObject({ source: "local", body: { first_name: "Last" } });
    await sandbox.webhooks.settle();
    await expectSame(server.url, sandbox);
  });

  test("its webhooks get 503 before their sender gives up, and the same are taken later", async ({ db }) => {
    const [id = ""] = await start(db.url);
    sandbox.webhooks.setEndpoint(null);
    const user = sandbox.clerk.updateUser(id, { first_name: "Later" });
    const release = await hold(db.url, lockUser(id));
    expect(await sendWebhook("msg_1", user)).toBe(503);
    expect(await db.sql`select from mirror_data.deliveries where message_id = 'msg_1'`).toHaveLength(0);
    await release();
    expect(await sendWebhook("msg_1", user)).toBe(200);
    expect(await call("GET", `/v1/users/${id}`)).toMatchObject({ body: { first_name: "Later" } });
  });

  test("a read that asks Clerk, and one of a user who is just being brought, are answered", async ({
    db,
  }) => {
    const [id = ""] = await start(db.url);
    sandbox.webhooks.setEndpoint(null);
    const { id: coming } = sandbox.clerk.createUser({ first_name: "Coming" });
    await hold(db.url, async (tx) => {
      await lockUser(id)(tx);
      await tx`
        insert into mirror_data.users (id, updated_at, observed_at, source, erased) values (${coming}, 0, 0, 0, false)`;
    });
    expect(await call("GET", `/v1/users/${id}`, undefined, { "X-Mirror-Read": "upstream" })).toMatchObject({
      status: 200,
      source: "upstream",
    });
    expect(await call("GET", `/v1/users/${coming}`)).toMatchObject({
      status: 200,
      source: "upstream",
      body: { first_name: "Coming" },
    });
  });
});

test("while another session holds the budget, requests to Clerk go on by this process's own share", async ({
  db,
}) => {
  const [id = ""] = await start(db.url);
  const release = await hold(db.url, (tx) => tx`select from mirror_data.budget for update`);
  expect(await call("PATCH", `/v1/users/${id}`, { first_name: "On" })).toMatchObject({ status: 200 });
  expect(await call("GET", `/v1/users/${id}`)).toMatchObject({ source: "local", body: { first_name: "On" } });
  await release();
});
