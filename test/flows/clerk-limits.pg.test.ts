// Covers src/upstream/{client,forward,request-queue}.ts

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { RunningServer } from "../../src/runtime/server.js";
import { type Sandbox, startSandbox } from "../../src/sandbox/server.js";
import { freshDatabase, type OwnDatabase } from "../support/database.js";
import { startMirror } from "../support/mirror.js";

const HOUR = 3600;

describe("when Clerk refuses", () => {
  let sandbox: Sandbox;
  let database: OwnDatabase;
  let server: RunningServer;

  beforeEach(async () => {
    sandbox = await startSandbox({ users: 20, organizations: 2, seed: 4 });
    database = await freshDatabase();
    server = await start();
  });

  afterEach(async () => {
    await server?.stop();
    await sandbox?.close();
    await database?.drop();
  });

  const start = () => startMirror({ sandbox, databaseUrl: database.url, env: { RECONCILE_INTERVAL: "0" } });

  async function ask(method: string, path: string, options: { body?: object; headers?: object } = {}) {
    const response = await fetch(`${server.url}${path}`, {
      method,
      headers: {
        Authorization: `Bearer ${sandbox.secretKey}`,
        "Content-Type": "application/json",
        ...options.headers,
      },
      ...(options.body && { body: JSON.stringify(options.body) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, json: text && JSON.parse(text) };
  }

  async function pausedUntil(): Promise<number | null> {
    const headers = { Authorization: "Bearer um_test" };
    const response = await fetch(`${server.url}/mirror/status`, { headers });
    return ((await response.json()) as { budget: { paused_until: number | null } }).budget.paused_until;
  }

  const expectOthersGoOn = async () => {
    const created = await ask("POST", "/v1/users", { body: { first_name: "New" } });
    expect(created.status).toBe(200);
    expect((await ask("POST", `/v1/users/${created.json.id}/ban`)).status).toBe(200);
    expect((await ask("GET", "/v1/jwks")).status).toBe(200);
    const fresh = { headers: { "X-Mirror-Read": "upstream" } };
    expect((await ask("GET", "/v1/users", fresh)).status).toBe(200);
  };

  test("a forwarded request with 429, its caller is told, and everything else goes on, also after a restart", async () => {
    sandbox.faults.add({
      match: "POST /v1/invitations",
      status: 429,
      retryAfter: HOUR,
      body: "<html>slow</html>",
    });
    for (let n = 0; n < 3; n++) {
      const answer = await ask("POST", "/v1/invitations", { body: { email_address: "a@example.com" } });
      expect([answer.status, answer.headers.get("retry-after")]).toEqual([429, String(HOUR)]);
      expect(answer.json.errors[0].code).toBe("too_many_requests");
    }
    await expectOthersGoOn();
    const run = await server.mirror.leader.execute("full", { signal: AbortSignal.timeout(30_000) });
    expect(run.state).toBe("succeeded");
    expect(await pausedUntil()).toBeNull();

    await server.stop();
    server = await start();
    await expectOthersGoOn();
  });

  test("a read of the mirror's own with 429, forwarded requests go on, and the background rests a minute at most", async () => {
    sandbox.faults.add({ match: "GET /v1/users/user_unknown", status: 429, retryAfter: HOUR });
    const answer = await ask("GET", "/v1/users/user_unknown");
    expect([answer.status, answer.headers.get("retry-after")]).toEqual([429, String(HOUR)]);
    await expectOthersGoOn();
    const until = await expect.poll(pausedUntil).not.toBeNull().then(pausedUntil);
    expect(until).toBeLessThanOrEqual(Date.now() + 60_500);
  });

  test.each([500, 502, 504])(
    "a write with %d, it may have been done: Clerk is asked about its user",
    async (status) => {
      const id = sandbox.clerk.users()[0]?.id;
      sandbox.faults.add({ match: "PATCH /v1/users/", times: 1, status, body: "<html>a proxy</html>" });
      expect((await ask("PATCH", `/v1/users/${id}`, { body: { first_name: "New" } })).status).toBe(status);
      const asked = () => sandbox.requests.map(({ method, path }) => `${method} ${path}`);
      await expect.poll(asked, { timeout: 10_000 }).toContain(`GET /v1/users/${id}`);
    },
  );
});
