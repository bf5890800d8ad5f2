// Covers src/cli/keys.ts, src/db/api-keys.ts, src/auth/

import { afterEach, describe, expect } from "vitest";
import type { RunningServer } from "../../src/runtime/server.js";
import { type Sandbox, startSandbox } from "../../src/sandbox/server.js";
import { cli as runCli } from "../support/cli.js";
import { test } from "../support/database.js";
import { startMirror } from "../support/mirror.js";

let sandbox: Sandbox;
let server: RunningServer;

afterEach(async () => {
  await server.stop();
  await sandbox.close();
});

const cli = (databaseUrl: string, ...args: string[]) => runCli(databaseUrl, args);

async function ask(key: string, path: string, method = "GET") {
  const response = await fetch(`${server.url}${path}`, {
    method,
    headers: { Authorization: `Bearer ${key}` },
  });
  return { status: response.status, body: JSON.parse(await response.text()) };
}

// A dozen processes of the command, one after the other.
describe("a key made by the command", { timeout: 300_000 }, () => {
  test("does what its scopes say, sees no private metadata without that one, and ends when revoked", async ({
    db,
  }) => {
    sandbox = await startSandbox({ users: 20, organizations: 1 });
    server = await startMirror({ sandbox, databaseUrl: db.url });
    const made = await cli(
      db.url,
      "keys",
      "create",
      "--name",
      "dashboard",
      "--scope",
      "users:read,users:write",
    );
    expect(made).toMatchObject({
      code: 0,
      value: { name: "dashboard", scopes: ["users:read", "users:write"] },
    });
    const { key, id } = made.value;
    expect(key).toMatch(/^um_/);

    const member = sandbox.clerk.memberships()[0]?.public_user_data as { user_id: string };
    sandbox.clerk.updateMetadata(member.user_id, { private_metadata: { secret: true } });
    await sandbox.webhooks.settle();
    const path = `/v1/users/${member.user_id}`;
    for (const [method, target] of [
      ["GET", path],
      ["POST", `${path}/ban`],
    ] as const) {
      const { status, body } = await ask(key, target, method);
      expect([status, body.private_metadata]).toEqual([200, null]);
    }
    const memberships = await ask(key, `${path}/organization_memberships`);
    expect(memberships.body.data[0].private_metadata).toBeNull();
    expect(memberships.body.data[0].organization.private_metadata).toBeNull();
    expect((await ask(sandbox.secretKey, path)).body.private_metadata).toMatchObject({ secret: true });
    expect((await ask(key, "/v1/organizations")).status).toBe(403);
    expect((await ask(key, "/mirror/status")).status).toBe(403);

    const text = JSON.stringify(await db.sql`select * from mirror_data.api_keys`);
    expect(text).not.toContain(key);
    expect((await cli(db.url, "keys", "list")).value).toMatchObject([
      { id, name: "dashboard", revoked_at: null },
    ]);
    const twin = await cli(db.url, "keys", "create", "--name", "dashboard", "--scope", "admin");
    expect([twin.code, twin.stderr]).toEqual([1, expect.stringContaining("is in use")]);
    const wrong = await cli(db.url, "keys", "create", "--name", "x", "--scope", "everything");
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining("users:read")]);

    const limited = await cli(
      db.url,
      ...[
        "keys",
        "create",
        "--name",
        "limited",
        "--scope",
        "users:read",
        "--rate",
        "1/s",
        "--in-flight",
        "2",
      ],
    );
    expect(limited.value).toMatchObject({ rate: 1, in_flight: 2 });
    expect((await cli(db.url, "keys", "list")).value).toMatchObject([
      { name: "limited", rate: 1, in_flight: 2 },
      { name: "dashboard", rate: 5000, in_flight: 1000 },
    ]);
    const all = await Promise.all(Array.from({ length: 20 }, () => ask(limited.value.key, path)));
    const statuses = all.map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([200, 429]));
    expect(all.find(({ status }) => status === 429)?.body.errors[0].code).toBe("too_many_requests");
    expect((await ask(key, path)).status).toBe(200);
    const odd = await cli(db.url, "keys", "create", "--name", "x", "--scope", "admin", "--rate", "fast");
    expect([odd.code, odd.stderr]).toEqual([2, expect.stringContaining("100/s")]);

    expect((await cli(db.url, "keys", "revoke", "dashboard")).code).toBe(0);
    await expect.poll(async () => (await ask(key, path)).status, { timeout: 1000 }).toBe(401);
    expect((await cli(db.url, "keys", "revoke", "dashboard")).code).toBe(1);
  });
});

describe("a key that is revoked", () => {
  test("ends its stream within a second, and what it waits for is refused", async ({ db }) => {
    sandbox = await startSandbox({ users: 1 });
    server = await startMirror({ sandbox, databaseUrl: db.url });
    const admin = { Authorization: "Bearer um_test", "content-type": "application/json" };
    const made = await fetch(`${server.url}/mirror/keys`, {
      method: "POST",
      headers: admin,
      body: JSON.stringify({ name: "follower", scopes: ["changes:read"] }),
    });
    const { id, key } = (await made.json()) as { id: string; key: string };
    const { next_cursor } = (await ask(key, "/mirror/changes?after=now")).body;
    const waiting = ask(key, `/mirror/changes?after=${next_cursor}&wait=30`);
    const headers = { Authorization: `Bearer ${key}`, accept: "text/event-stream" };
    const stream = await fetch(`${server.url}/mirror/changes?after=${next_cursor}`, { headers });
    const cut = expect(stream.text()).rejects.toThrow("terminated");

    expect(
      (await fetch(`${server.url}/mirror/keys/${id}`, { method: "DELETE", headers: admin })).status,
    ).toBe(200);
    await cut;
    const [user] = sandbox.clerk.users();
    sandbox.clerk.updateUser(String(user?.id), { first_name: "Changed" });
    expect((await waiting).status).toBe(401);
  });
});
