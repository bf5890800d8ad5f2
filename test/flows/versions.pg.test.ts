// Covers src/upstream/forward.ts

import { createClerkClient } from "@clerk/backend";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RunningServer } from "../../src/runtime/server.js";
import { type Sandbox, startSandbox } from "../../src/sandbox/server.js";
import { freshDatabase, type OwnDatabase } from "../support/database.js";
import { startMirror } from "../support/mirror.js";

describe("the version of Clerk's API", () => {
  let sandbox: Sandbox;
  let database: OwnDatabase;
  let server: RunningServer;
  let userId: string;

  beforeAll(async () => {
    sandbox = await startSandbox({ users: 20, seed: 6 });
    database = await freshDatabase();
    server = await startMirror({ sandbox, databaseUrl: database.url, env: { RECONCILE_INTERVAL: "0" } });
    userId = String(sandbox.clerk.users()[0]?.id);
  });

  afterAll(async () => {
    await server?.stop();
    await sandbox?.close();
    await database?.drop();
  });

  async function ask(method: string, path: string, body?: object, headers: Record<string, string> = {}) {
    const response = await fetch(`${server.url}${path}`, {
      method,
      headers: {
        Authorization: `Bearer ${sandbox.secretKey}`,
        "Content-Type": "application/json",
        ...headers,
      },
      ...(body && { body: JSON.stringify(body) }),
    });
    return { status: response.status, json: JSON.parse(await response.text()) };
  }

  const METADATA = { public_metadata: { a: 1 }, private_metadata: { b: 2 }, unsafe_metadata: { c: 3 } };

  test("is the first for clients that name none, as before: a PATCH of a user takes metadata", async () => {
    const { status, json } = await ask("PATCH", `/v1/users/${userId}`, METADATA);
    expect(status).toBe(200);
    expect(json).toMatchObject(METADATA);
    expect((await ask("GET", `/v1/users/${userId}`)).json).toMatchObject(METADATA);
    const sent = sandbox.requests.findLast(({ method }) => method === "PATCH");
    expect(sent?.headers.has("clerk-api-version")).toBe(false);
  });

  test.each([
    ["header", "", { "Clerk-API-Version": "2026-05-12" }],
    ["query", "?__clerk_api_version=2026-05-12", {}],
  ])("is the one that a client names by %s", async (_, query, headers) => {
    const { status, json } = await ask("PATCH", `/v1/users/${userId}${query}`, METADATA, headers);
    expect([status, json.errors[0].code]).toEqual([422, "form_param_unknown"]);
  });

  test("is the SDK's own for Clerk's SDK, whose updates with metadata arrive", async () => {
    const sdk = createClerkClient({ secretKey: sandbox.secretKey, apiUrl: server.url });
    const updated = await sdk.users.updateUser(userId, {
      firstName: "By SDK",
      publicMetadata: { sdk: true },
    });
    expect([updated.firstName, updated.publicMetadata]).toEqual(["By SDK", { sdk: true }]);
  });

  test("of a read that goes to Clerk is the caller's, or none", async () => {
    const fresh = { "X-Mirror-Read": "upstream" };
    for (const version of ["2025-11-10", null]) {
      const headers = { ...fresh, ...(version !== null && { "Clerk-API-Version": version }) };
      expect((await ask("GET", "/v1/users?limit=1", undefined, headers)).status).toBe(200);
      expect(sandbox.requests.at(-1)?.headers.get("clerk-api-version")).toBe(version);
    }
  });

  test("of the mirror's own reads is CLERK_API_VERSION", async () => {
    expect((await ask("GET", "/v1/users/user_unknown")).status).toBe(404);
    expect(sandbox.requests.at(-1)?.headers.get("clerk-api-version")).toBe("2026-05-12");
  });
});
