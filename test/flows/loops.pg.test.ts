// Covers src/http/middleware.ts, src/lib/own-address.ts

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadConfig } from "../../src/config.js";
import { silentLogger } from "../../src/observability/logger.js";
import { type RunningServer, startServer } from "../../src/runtime/server.js";
import { type Sandbox, startSandbox } from "../../src/sandbox/server.js";
import { freshDatabase, type OwnDatabase } from "../support/database.js";
import { startDetour } from "../support/detour.js";
import { untilLive } from "../support/mirror.js";

describe("a mirror whose upstream turns out to be a mirror", () => {
  let sandbox: Sandbox;
  let detour: Awaited<ReturnType<typeof startDetour>>;
  let database: OwnDatabase;
  let server: RunningServer;

  const configFor = (apiUrl: string, databaseUrl: string) =>
    loadConfig(
      {
        CLERK_SECRET_KEY: sandbox.secretKey,
        CLERK_API_URL: apiUrl,
        DATABASE_URL: databaseUrl,
        PORT: "0",
        UPSTREAM_RATE_LIMIT: "100000",
        RECONCILE_INTERVAL: "0",
      },
      { needs: { secretKey: true } },
    );

  // What leads to Clerk at first and then in a circle: a proxy with the wrong target.
  beforeAll(async () => {
    sandbox = await startSandbox({ users: 5, seed: 8 });
    detour = await startDetour(sandbox.url);
    database = await freshDatabase();
    server = await startServer(configFor(detour.url, database.url), silentLogger());
    await untilLive(server.url);
    detour.leadTo(server.url);
  });

  afterAll(async () => {
    await server?.stop();
    await detour?.close();
    await sandbox?.close();
    await database?.drop();
  });

  async function ask(method: string, path: string, headers: Record<string, string> = {}) {
    detour.passed.length = 0;
    const response = await fetch(`${server.url}${path}`, {
      method,
      headers: { Authorization: `Bearer ${sandbox.secretKey}`, ...headers },
    });
    const body = (await response.json()) as { errors?: { code: string }[] };
    return { status: response.status, code: body.errors?.[0]?.code, passed: detour.passed.length };
  }

  test.each([
    ["GET", "/v1/users/user_unknown", {}],
    ["GET", "/v1/users", { "X-Mirror-Read": "upstream" }],
    ["GET", "/v1/jwks", {}],
    ["POST", "/v1/users", {}],
    ["DELETE", "/v1/users/user_unknown", {}],
    ["POST", "/v1/organizations", {}],
  ])("answers %s %s with 508, having asked once", async (method, path, headers) => {
    expect(await ask(method, path, headers)).toEqual({ status: 508, code: "loop_detected", passed: 1 });
  });

  test("goes on answering what it holds", async () => {
    const [user] = sandbox.clerk.users();
    expect((await ask("GET", `/v1/users/${user?.id}`)).status).toBe(200);
  });

  test("deletes nobody for what it hears then", async () => {
    const run = await server.mirror.leader.execute("full", { signal: AbortSignal.timeout(30_000) });
    expect(run).toMatchObject({ state: "failed", error: expect.stringContaining("CLERK_API_URL") });
    expect(
      (await fetch(`${server.url}/v1/users/count`, {
        headers: { Authorization: `Bearer ${sandbox.secretKey}` },
      }).then((response) => response.json())) as object,
    ).toMatchObject({ total_count: 5 });
  });

  test("is refused at the start where that mirror runs already", async () => {
    const other = await freshDatabase();
    try {
      const started = startServer(configFor(server.url, other.url), silentLogger());
      await expect(started).rejects.toMatchObject({
        code: "configuration",
        message: expect.stringContaining("CLERK_API_URL"),
      });
    } finally {
      await other.drop();
    }
  });
});
