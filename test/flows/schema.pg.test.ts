// Covers src/clerk.ts, src/query/present.ts

import { afterAll, beforeAll, describe, expect } from "vitest";
import type { RunningServer } from "../../src/runtime/server.js";
import { type Sandbox, startSandbox } from "../../src/sandbox/server.js";
import { freshDatabase, type OwnDatabase, test } from "../support/database.js";
import { startMirror } from "../support/mirror.js";
import { errorProblems, responseProblems } from "../support/schema.js";

let sandbox: Sandbox;
let database: OwnDatabase;
let server: RunningServer;

beforeAll(async () => {
  sandbox = await startSandbox({ users: 500, organizations: 5 });
  database = await freshDatabase();
  server = await startMirror({ sandbox, databaseUrl: database.url });
});
afterAll(async () => {
  await server.stop();
  await sandbox.close();
  await database.drop();
});

async function ask(path: string, { method = "GET", key = sandbox.secretKey, body = "" } = {}) {
  const response = await fetch(`${server.url}${path}`, {
    method,
    headers: { ...(key && { Authorization: `Bearer ${key}` }), "Content-Type": "application/json" },
    ...(body && { body }),
  });
  expect([path, response.headers.get("content-type")]).toEqual([path, "application/json"]);
  return { status: response.status, body: JSON.parse(await response.text()) };
}

describe("local answers", () => {
  test("are valid by Clerk's schema: lists, users, counts, memberships", async () => {
    const list = await ask("/v1/users?limit=500");
    expect(responseProblems("GET", "/users", list.status, list.body)).toEqual([]);
    const count = await ask("/v1/users/count?query=a");
    expect(responseProblems("GET", "/users/count", count.status, count.body)).toEqual([]);
    let memberships = 0;
    for (const { id } of list.body.slice(0, 60)) {
      const user = await ask(`/v1/users/${id}`);
      expect(responseProblems("GET", "/users/{user_id}", user.status, user.body)).toEqual([]);
      const own = await ask(`/v1/users/${id}/organization_memberships`);
      const path = "/users/{user_id}/organization_memberships";
      expect(responseProblems("GET", path, own.status, own.body)).toEqual([]);
      memberships += own.body.total_count;
    }
    expect(memberships).toBeGreaterThan(0);
  });

  test("are refused to the secret key where ACCEPT_CLERK_SECRET_KEY is false", async () => {
    const narrow = await startMirror({
      sandbox,
      databaseUrl: database.url,
      env: { ACCEPT_CLERK_SECRET_KEY: "false" },
    });
    const statuses = await Promise.all(
      [sandbox.secretKey, "um_test"].map(async (key) => {
        const headers = { Authorization: `Bearer ${key}` };
        return (await fetch(`${narrow.url}/v1/users`, { headers })).status;
      }),
    );
    expect(statuses).toEqual([401, 200]);
    await narrow.stop();
  });

  test.for([
    ["/v1/users", "", 401],
    ["/v1/users", "sk_test_wrong", 401],
    ["/v1/users?limit=0", undefined, 422],
    ["/v1/users/user_nobody", undefined, 404],
    ["/v1/users/user_nobody/organization_memberships", undefined, 404],
    ["/v1/users/a%2Fb", undefined, 400],
    ["/v1/organizations/org_nobody", undefined, 404],
    ["/mirror/status", undefined, 403],
    ["/nothing/here", undefined, 404],
    ["/webhooks/clerk", undefined, 405],
  ] as const)("an error is in Clerk's shape: %s with the key %s", async ([path, key, status]) => {
    const answer = await ask(path, key === undefined ? {} : { key });
    expect(errorProblems(answer.body)).toEqual([]);
    expect([path, answer.status, typeof answer.body.clerk_trace_id]).toEqual([path, status, "string"]);
  });

  test("of the mirror's own routes are JSON too", async () => {
    for (const path of ["/healthz", "/readyz"]) expect((await ask(path, { key: "" })).status).toBe(200);
    const status = await ask("/mirror/status", { key: "um_test" });
    expect(status.body).toMatchObject({ state: "live", users: 500, organizations: 5, dead_letters: 0 });
    const started = await ask("/mirror/reconcile", {
      key: "um_test",
      method: "POST",
      body: '{"mode":"full"}',
    });
    expect(started.status).toBe(202);
    const path = `/mirror/runs/${started.body.run_id}`;
    await expect
      .poll(async () => (await ask(path, { key: "um_test" })).body, { timeout: 20_000 })
      .toMatchObject({ state: "succeeded", mode: "full", differences: { missed_create: 0 } });
  });
});
