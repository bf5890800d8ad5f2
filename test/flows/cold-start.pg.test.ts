// Covers src/runtime/{store,mirror,server}.ts, src/sync/reconcile/backfill.ts

import { createClerkClient } from "@clerk/backend";
import { afterEach, describe, expect } from "vitest";
import type { RunningServer } from "../../src/runtime/server.js";
import { type Sandbox, startSandbox } from "../../src/sandbox/server.js";
import { test } from "../support/database.js";
import { startMirror, untilLive } from "../support/mirror.js";
import { errorProblems } from "../support/schema.js";

let sandbox: Sandbox;
let server: RunningServer;
let isClosed = false;

afterEach(async () => {
  await server.stop();
  if (!isClosed) await sandbox.close();
  isClosed = false;
});

async function get(path: string, headers: Record<string, string> = {}) {
  const response = await fetch(`${server.url}${path}`, {
    headers: { Authorization: `Bearer ${sandbox.secretKey}`, ...headers },
  });
  expect(response.headers.get("content-type")).toBe("application/json");
  return {
    status: response.status,
    source: response.headers.get("x-mirror-source"),
    body: JSON.parse(await response.text()),
  };
}

describe("until the first backfill has finished", () => {
  test("lists, counts and memberships are Clerk's, gets are read through, and then all are local", async ({
    db,
  }) => {
    sandbox = await startSandbox({ users: 600, organizations: 2, loneSurrogates: true });
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    // The walk's pages wait; a caller's, which are small, go by.
    sandbox.faults.add({ match: "GET /v1/organizations$", delayMs: 0 });
    sandbox.faults.wait = () => held;
    server = await startMirror({ sandbox, databaseUrl: db.url, untilLive: false });

    const list = await get("/v1/users?limit=2");
    expect(list).toMatchObject({ status: 200, source: "upstream" });
    expect(list.body.map(({ id }: { id: string }) => id)).toHaveLength(2);
    expect(await get("/v1/users/count")).toMatchObject({ source: "upstream", body: { total_count: 600 } });
    const id = list.body[0].id;
    expect(await get(`/v1/users/${id}/organization_memberships`)).toMatchObject({
      status: 200,
      source: "upstream",
    });
    expect(await get(`/v1/users/${id}`)).toMatchObject({ status: 200, source: "local" });
    expect(await get("/v1/users?limit=0")).toMatchObject({ status: 422 });
    expect((await get("/readyz")).body).toEqual({ state: "backfilling" });

    release();
    await untilLive(server.url);
    expect(await get("/v1/users?limit=2")).toMatchObject({ status: 200, source: "local", body: list.body });
    expect(await get("/v1/users/count")).toMatchObject({ source: "local", body: { total_count: 600 } });
  });
});

describe("a user whom the mirror doesn't know", () => {
  test("is asked of Clerk once, however many ask, and then known", async ({ db }) => {
    sandbox = await startSandbox({ users: 5 });
    server = await startMirror({ sandbox, databaseUrl: db.url });
    sandbox.webhooks.setEndpoint(null);
    const { id } = sandbox.clerk.createUser({ first_name: "Unheard of" });
    const clerk = createClerkClient({ secretKey: sandbox.secretKey, apiUrl: server.url });
    const users = await Promise.all(Array.from({ length: 50 }, () => clerk.users.getUser(id)));
    expect(new Set(users.map((user) => user.firstName))).toEqual(new Set(["Unheard of"]));
    expect(sandbox.requests.filter(({ path }) => path === `/v1/users/${id}`)).toHaveLength(1);
    expect(await get(`/v1/users/${id}`)).toMatchObject({ source: "local" });
    const asked = () => sandbox.requests.filter(({ path }) => path === "/v1/users/user_nobody").length;
    for (let n = 0; n < 3; n++) expect(await get("/v1/users/user_nobody")).toMatchObject({ status: 404 });
    expect(asked()).toBe(1);
  });
});

describe("a single user", () => {
  test("comes with an ETag, and 304 for who has it, until it changes or a lockout runs", async ({ db }) => {
    sandbox = await startSandbox({ users: 5 });
    server = await startMirror({ sandbox, databaseUrl: db.url });
    const id = String(sandbox.clerk.users().find((user) => user.locked === false)?.id);
    const ask = (etag?: string) =>
      fetch(`${server.url}/v1/users/${id}`, {
        headers: { Authorization: `Bearer ${sandbox.secretKey}`, ...(etag && { "If-None-Match": etag }) },
      });
    const etag = (await ask()).headers.get("etag") ?? "";
    expect((await ask()).headers.get("vary")).toBe("Authorization");
    const same = await ask(`"other", W/${etag}`);
    expect([same.status, await same.text(), same.headers.get("etag")]).toEqual([304, "", etag]);
    sandbox.clerk.updateUser(id, { first_name: "Changed" });
    await sandbox.webhooks.settle();
    const changed = await ask(etag);
    expect([changed.status, changed.headers.get("etag") === etag]).toEqual([200, false]);
    sandbox.clerk.lock(id);
    await sandbox.webhooks.settle();
    const locked = await ask();
    expect([locked.status, locked.headers.get("etag")]).toEqual([200, null]);
  });
});

describe("while Clerk is away", () => {
  test("local reads go on; what only Clerk can answer is 502 in its shape, an unknown user too", async ({
    db,
  }) => {
    sandbox = await startSandbox({ users: 5 });
    server = await startMirror({ sandbox, databaseUrl: db.url });
    const id = sandbox.clerk.users()[0]?.id;
    await sandbox.close();
    isClosed = true;
    expect(await get(`/v1/users/${id}`)).toMatchObject({ status: 200, source: "local" });
    expect(await get("/v1/users?limit=5")).toMatchObject({ status: 200, source: "local" });
    for (const path of ["/v1/users/user_nobody", "/v1/jwks"]) {
      const answer = await get(path);
      expect(answer.status).toBe(502);
      expect(errorProblems(answer.body)).toEqual([]);
    }
  });

  test("a forwarded request that isn't answered in time is 504, and sent once", async ({ db }) => {
    sandbox = await startSandbox({ users: 5 });
    server = await startMirror({ sandbox, databaseUrl: db.url, env: { UPSTREAM_TIMEOUT: "150ms" } });
    const id = sandbox.clerk.users()[0]?.id;
    const before = sandbox.requests.length;
    sandbox.faults.add({ match: "POST", delayMs: 1000 });
    const response = await fetch(`${server.url}/v1/users/${id}/ban`, {
      method: "POST",
      headers: { Authorization: `Bearer ${sandbox.secretKey}` },
    });
    expect(response.status).toBe(504);
    const body: unknown = await response.json();
    expect(errorProblems(body)).toEqual([]);
    expect(body).toMatchObject({ errors: [{ code: "gateway_timeout" }] });
    expect(sandbox.requests.slice(before).filter(({ method }) => method === "POST")).toHaveLength(1);
  });
});
