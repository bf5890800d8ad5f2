// Covers src/db/connection/{connections,availability,proofs}.ts

import { afterEach, describe, expect } from "vitest";
import { newKey } from "../../src/auth/stored-keys.js";
import { insertApiKey } from "../../src/db/api-keys.js";
import { type Sandbox, startSandbox } from "../../src/sandbox/server.js";
import { test } from "../support/database.js";
import { allUsers, expectSame, startMirror } from "../support/mirror.js";
import { startNetwork } from "../support/network.js";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

type Answer = { status: number; source: string | null; body: Record<string, unknown> };

/** A mirror whose Postgres is behind a network, and whoever asks it: nobody waits longer than a webhook's sender. */
async function start(databaseUrl: string, users: number, untilLive = true) {
  const network = await startNetwork(databaseUrl);
  const retryScheduleMs = Array.from({ length: 60 }, () => 500);
  const sandbox = await startSandbox({ users, organizations: 3, retryScheduleMs });
  cleanups.push(sandbox.close, network.close);
  const server = await startMirror({ sandbox, databaseUrl: network.url, untilLive });
  cleanups.push(server.stop);
  return { network, sandbox, server, call: callerOf(server.url, sandbox) };
}

function callerOf(url: string, { secretKey }: Sandbox) {
  return async (path: string, { key = secretKey, ...init }: RequestInit & { key?: string } = {}) => {
    const response = await fetch(`${url}${path}`, {
      signal: AbortSignal.timeout(15_000),
      ...init,
      headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json", ...init.headers },
    });
    const source = response.headers.get("x-mirror-source");
    return { status: response.status, source, body: await response.json() } as Answer;
  };
}

const isPools = (hello: string) => !/user-mirror (probe|notifications)/.test(hello);

describe.each([
  ["all open connections", () => true],
  ["those of the pools alone", isPools],
  ["the searches' alone", (hello: string) => hello.includes("user-mirror search")],
  ["the probe's alone", (hello: string) => hello.includes("user-mirror probe")],
] as const)("a network that swallows %s, and lets new ones through", (title, which) => {
  const everybodys = title === "all open connections" || title === "those of the pools alone";

  test("keeps nobody waiting, shows in /readyz, and is overcome within 30 s", { timeout: 90_000 }, async ({
    db,
  }) => {
    const { network, sandbox, server, call } = await start(db.url, 60);
    const [first = "", second = "", third = "", fourth = ""] = sandbox.clerk.users().map(({ id }) => `${id}`);
    const keys = [newKey(), newKey()] as const;
    for (const key of keys) {
      const scopes = ["users:read", "private_metadata:read"];
      await insertApiKey(server.mirror.store.database.primary.orm, { ...key, name: key.id, scopes });
    }
    // The connection that keys are looked up on is open too.
    expect(await call("/v1/users/count", { key: keys[0].key })).toMatchObject({ source: "local" });

    const states: unknown[] = [];
    network.swallowOpen(which);
    const reads = [
      `/v1/users/${first}`,
      "/v1/users?limit=10",
      "/v1/users?query=an",
      "/v1/users/count?query=e",
      `/v1/users/${second}/organization_memberships`,
    ];
    const reading = reads.map((path) => call(path));
    const byKey = call(`/v1/users/${fourth}`, { key: keys[1].key });
    const body = JSON.stringify({ first_name: "Written" });
    const writing = call(`/v1/users/${third}`, { method: "PATCH", body });
    sandbox.clerk.updateUser(second, { first_name: "Heard of" });
    if (everybodys) {
      const state = async () => (await call("/readyz")).body.state;
      await expect.poll(state, { timeout: 15_000, interval: 200 }).toBe("degraded");
    }

    for (const answer of await Promise.all([...reading, byKey])) states.push(answer.status);
    expect(states.filter((status) => status !== 200 && status !== 503)).toEqual([]);
    expect(await writing).toMatchObject({ status: 200, body: { first_name: "Written" } });
    expect((await call(`/v1/users/${third}`)).body).toMatchObject({ first_name: "Written" });

    // Once the last of them was found out, nothing is away any more because of it.
    await expect.poll(network.swallowing, { timeout: 30_000 }).toBe(0);
    const settled = async () => [
      (await call("/readyz")).body.state,
      ...(await Promise.all([...reads, `/v1/users/${third}`].map((path) => call(path)))).map(
        ({ source }) => source,
      ),
      (await call(`/v1/users/${fourth}`, { key: keys[1].key })).source,
    ];
    await expect
      .poll(settled, { timeout: 30_000 })
      .toEqual(["live", ...Array.from({ length: reads.length + 2 }, () => "local")]);
    await sandbox.webhooks.settle();
    const refused = sandbox.webhooks.deliveries.flatMap(({ attempts }) => attempts);
    expect(refused.filter((status) => status !== 200 && status !== 503)).toEqual([]);
    await expectSame(server.url, sandbox);
  });
});

test("a process that doesn't hear of changes any more serves nothing out of its cache, until it hears again", {
  timeout: 60_000,
}, async ({ db }) => {
  const { network, sandbox, call } = await start(db.url, 20);
  const other = await startMirror({ sandbox, databaseUrl: db.url });
  cleanups.push(other.stop);
  const callOther = callerOf(other.url, sandbox);
  const [id = ""] = sandbox.clerk.users().map((user) => `${user.id}`);
  const nameHere = async () => (await call(`/v1/users/${id}`)).body.first_name;
  const write = async (first_name: string) => {
    const body = JSON.stringify({ first_name });
    expect(await callOther(`/v1/users/${id}`, { method: "PATCH", body })).toMatchObject({ status: 200 });
  };
  for (let round = 1; round <= 2; round++) {
    await write(`Before ${round}`);
    await expect.poll(nameHere, { timeout: 10_000 }).toBe(`Before ${round}`);
    const heard = network.swallowed();
    network.swallowOpen((hello) => hello.includes("user-mirror notifications"));
    await write(`After ${round}`);
    await expect.poll(network.swallowed).toBeGreaterThan(heard);
    await expect.poll(nameHere, { timeout: 30_000 }).toBe(`After ${round}`);
  }
});

test("a backfill whose connections are swallowed goes on by itself", { timeout: 120_000 }, async ({ db }) => {
  const { network, sandbox, server, call } = await start(db.url, 2000, false);
  const state = async () => (await call("/readyz")).body.state;
  for (let round = 1; round <= 2; round++) {
    const before =
      (await db.sql<{ n: number }[]>`select count(*)::int as n from mirror_data.users`)[0]?.n ?? 0;
    const more = async () => (await db.sql`select from mirror_data.users offset ${before} limit 1`).length;
    await expect.poll(more, { timeout: 30_000, interval: 20 }).toBe(1);
    network.swallowOpen();
    await expect.poll(state, { timeout: 15_000, interval: 20 }).toBe("degraded");
    await expect.poll(state, { timeout: 30_000 }).not.toBe("degraded");
  }
  await expect.poll(state, { timeout: 30_000 }).toBe("live");
  const idsOf = (users: { id?: unknown }[]) => users.map(({ id }) => id).sort();
  const here = await allUsers(server.url, sandbox.secretKey);
  expect(idsOf(here)).toEqual(idsOf(sandbox.clerk.users()));
});
