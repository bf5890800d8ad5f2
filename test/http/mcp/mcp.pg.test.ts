// Covers src/http/mcp/, src/http/routes/mcp.ts

import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Scope } from "../../../src/auth/scopes.js";
import { newKey } from "../../../src/auth/stored-keys.js";
import { insertApiKey } from "../../../src/db/api-keys.js";
import type { RunningServer } from "../../../src/runtime/server.js";
import { type Sandbox, startSandbox } from "../../../src/sandbox/server.js";
import { freshDatabase, type OwnDatabase } from "../../support/database.js";
import { startMirror } from "../../support/mirror.js";

const USERS = 130;
let sandbox: Sandbox;
let server: RunningServer;
let database: OwnDatabase;
let pro: string;

beforeAll(async () => {
  sandbox = await startSandbox({ users: USERS, organizations: 3, seed: 5 });
  const [user] = sandbox.clerk.users();
  pro = String(user?.id);
  const metadata = { public_metadata: { tier: "pro" }, private_metadata: { note: "not for everybody" } };
  sandbox.clerk.updateMetadata(pro, metadata);
  database = await freshDatabase();
  server = await startMirror({ sandbox, databaseUrl: database.url });
});
afterAll(async () => {
  await server.stop();
  await sandbox.close();
  await database.drop();
});

async function keyWith(...scopes: Scope[]): Promise<string> {
  const { key, id, digest } = newKey();
  await insertApiKey(server.mirror.store.database.primary.orm, { id, name: id, digest, scopes });
  return key;
}

type Result = { isError?: boolean; content: { text: string }[] };

/** The official client, as applications use it. */
async function clientWith(key: string, mode: "auto" | "legacy" = "auto") {
  const client = new Client({ name: "test", version: "1" }, { versionNegotiation: { mode } });
  const transport = new StreamableHTTPClientTransport(new URL(`${server.url}/mcp`), {
    requestInit: { headers: { Authorization: `Bearer ${key}` } },
  });
  await client.connect(transport);
  const call = async (name: string, args: Record<string, unknown> = {}) => {
    const { isError = false, content } = (await client.callTool({ name, arguments: args })) as Result;
    const text = content[0]?.text ?? "";
    return { isError, text, value: isError ? null : JSON.parse(text) };
  };
  return { client, call };
}

/** A message as anybody can send it. */
const send = (body: string, headers: Record<string, string> = {}) =>
  fetch(`${server.url}/mcp`, {
    method: "POST",
    headers: {
      Authorization: "Bearer um_test",
      "Content-Type": "application/json",
      Accept: "application/json, text/event-stream",
      ...headers,
    },
    body,
  });

const message = (method: string, params: unknown) =>
  JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });

describe.each([
  ["auto", "2026-07-28"],
  ["legacy", "2025-11-25"],
] as const)("the official client, choosing its protocol as %s", (mode, version) => {
  test("finds five tools that only read, each with a schema of its arguments", async () => {
    const { client } = await clientWith("um_test", mode);
    expect(client.getNegotiatedProtocolVersion()).toBe(version);
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toEqual([
      ...["query_users", "count_users", "aggregate_users", "get_user", "mirror_status"],
    ]);
    for (const { annotations, inputSchema, description } of tools) {
      expect(annotations?.readOnlyHint).toBe(true);
      expect(inputSchema).toMatchObject({ type: "object", additionalProperties: false });
      expect(description).toMatch(/\.$/);
    }
    expect(client.getInstructions()).toContain("now-30d");
    await client.close();
  });

  test("gets the users whom a filter means, as the route answers them", async () => {
    const { call } = await clientWith("um_test", mode);
    const { value } = await call("query_users", {
      filter: { "public_metadata.tier": "pro" },
      fields: ["id", "public_metadata"],
    });
    expect(value.data).toEqual([{ id: pro, public_metadata: expect.objectContaining({ tier: "pro" }) }]);
    expect(value.next_cursor).toBeNull();
  });

  test("gets at most 100 users in an answer, and the rest by the cursor", async () => {
    const { call } = await clientWith("um_test", mode);
    const first = (await call("query_users", { limit: 500, fields: ["id"] })).value;
    const rest = (await call("query_users", { limit: 500, fields: ["id"], cursor: first.next_cursor })).value;
    expect([first.data.length, rest.data.length]).toEqual([100, USERS - 100]);
    const ids = [...first.data, ...rest.data].map(({ id }) => id);
    expect(new Set(ids)).toEqual(new Set(sandbox.clerk.users().map(({ id }) => id)));
    expect((await call("query_users", {})).value.data).toHaveLength(20);
  });

  test("counts users, all of them and those whom a filter means", async () => {
    const { call } = await clientWith("um_test", mode);
    expect((await call("count_users")).value).toEqual({ total_count: USERS });
    expect((await call("count_users", { filter: { id: pro } })).value).toEqual({ total_count: 1 });
  });

  test("counts users by groups, as the route does", async () => {
    const { call } = await clientWith("um_test", mode);
    const { value } = await call("aggregate_users", { group_by: ["banned"], order_by: ["-count"] });
    expect(value.total).toBe(USERS);
    const by = { group_by: ["id"], filter: { id: { exists: true } } };
    expect((await call("aggregate_users", { ...by, limit: 5000 })).value.data).toHaveLength(USERS);
    expect((await call("aggregate_users", { ...by, limit: 2 })).value).toMatchObject({ other: USERS - 2 });
    const counts = value.data.map(({ count }: { count: number }) => count);
    expect(counts.reduce((sum: number, count: number) => sum + count)).toBe(USERS);
  });

  test("gets one user by id, whichever of its two names the id is given", async () => {
    const { call } = await clientWith("um_test", mode);
    expect((await call("get_user", { id: pro })).value).toEqual(sandbox.clerk.user(pro));
    expect((await call("get_user", { user_id: pro })).value.id).toBe(pro);
    const unknown = await call("get_user", { id: "user_nobody" });
    expect(unknown).toMatchObject({ isError: true, text: "No user was found with id user_nobody" });
  });

  test("reads how the mirror is", async () => {
    const { call } = await clientWith("um_test", mode);
    expect((await call("mirror_status")).value).toMatchObject({ state: "live", users: USERS });
  });
});

describe("a key", () => {
  test("without private_metadata:read sees none in any tool, and can't ask by it", async () => {
    const { call } = await clientWith(await keyWith("users:read"));
    const { value } = await call("query_users", { filter: { id: pro } });
    expect(value.data[0].private_metadata).toBeNull();
    expect((await call("get_user", { id: pro })).value.private_metadata).toBeNull();
    for (const [tool, args] of [
      ["query_users", { filter: { "private_metadata.note": "not for everybody" } }],
      ["count_users", { filter: { "private_metadata.note": { prefix: "not" } } }],
      ["aggregate_users", { group_by: ["private_metadata.note"] }],
      ["query_users", { fields: ["private_metadata.note"] }],
      ["query_users", { order_by: ["private_metadata.note"] }],
    ] as const) {
      const { isError, text } = await call(tool, args);
      expect([isError, text]).toEqual([true, "This key lacks the scope private_metadata:read."]);
    }
  });

  test("with private_metadata:read sees it", async () => {
    const { call } = await clientWith(await keyWith("users:read", "private_metadata:read"));
    const { value } = await call("query_users", { filter: { id: pro } });
    expect(value.data[0].private_metadata).toEqual({ note: "not for everybody" });
  });

  test("without admin can't read the status", async () => {
    const { call } = await clientWith(await keyWith("users:read", "changes:read"));
    expect(await call("mirror_status")).toMatchObject({
      isError: true,
      text: "This key lacks the scope admin.",
    });
  });

  test("without users:read, and nobody without a key, is let in", async () => {
    const body = message("tools/list", {});
    const admin = await keyWith("admin");
    expect((await send(body, { Authorization: `Bearer ${admin}` })).status).toBe(403);
    expect((await send(body, { Authorization: "Bearer um_unknown" })).status).toBe(401);
    expect((await send(body, { Authorization: "" })).status).toBe(401);
    await expect(clientWith("um_unknown")).rejects.toThrow();
  });
});

describe("a hostile argument", () => {
  const deep = (depth: number) => JSON.parse(`${"[".repeat(depth)}${"]".repeat(depth)}`);

  test.each<[string, string, Record<string, unknown>]>([
    ["an unknown argument", "query_users", { sql: "drop table users" }],
    ["a filter that is none", "query_users", { filter: "1=1" }],
    ["an unknown field", "query_users", { filter: { "id'; drop table users; --": 1 } }],
    ["an operator of another language", "count_users", { filter: { id: { $ne: null } } }],
    ["a limit that no route has", "query_users", { limit: 1e9 }],
    ["a negative limit", "query_users", { limit: -1 }],
    ["a limit that isn't whole", "query_users", { limit: 1.5 }],
    ["a forged cursor", "query_users", { cursor: "AAAA" }],
    ["a path instead of an id", "get_user", { id: "../../mirror/status" }],
    ["a word of Clerk's instead of an id", "get_user", { id: "count" }],
    ["no id", "get_user", {}],
    ["an id that is none", "get_user", { id: { $gt: "" } }],
    ["two ids", "get_user", { id: "user_1", user_id: "user_2" }],
    ["names of what every object has", "count_users", { constructor: {}, toString: 1 }],
    ["such a name in a filter", "count_users", { filter: { hasOwnProperty: 1 } }],
    [
      "a zone that is none",
      "aggregate_users",
      { group_by: [{ field: "created_at", bucket: "day", time_zone: "x" }] },
    ],
    ["too many groups", "aggregate_users", { group_by: Array(6).fill("banned") }],
    ["a hundred thousand wrong orders", "query_users", { order_by: Array(30_000).fill(1) }],
    ["arrays in arrays", "count_users", { filter: { and: deep(2000) } }],
    ["arguments for what has none", "mirror_status", { verbose: true }],
  ])("%s gets an error that is short and says nothing of the code", async (_, tool, args) => {
    const { call } = await clientWith("um_test");
    const { isError, text } = await call(tool, args);
    expect(isError).toBe(true);
    expect(text.length).toBeLessThan(1500);
    expect(text).not.toMatch(/node_modules|\.js:|\n\s+at |mirror_data/);
  });

  test("arrays deeper than any stack get an error, and the server goes on", async () => {
    const depth = 50_000;
    const nested = `${"[".repeat(depth)}${"]".repeat(depth)}`;
    const call = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"count_users","arguments":{"filter":{"and":${nested}}}}}`;
    const text = await (await send(call)).text();
    expect(text).toContain("nested too deep");
    expect(text).not.toMatch(/node_modules|\.js:/);
    const { call: next } = await clientWith("um_test");
    expect((await next("count_users")).value).toEqual({ total_count: USERS });
  });

  test.each([
    ["no JSON", "{", 400],
    ["a list of messages", `[${message("tools/list", {})},${message("tools/list", {})}]`, 400],
    ["a text", '"tools/list"', 400],
    // The schemas leave such a member out, and the answer would be everybody.
    [
      "a filter by __proto__",
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"count_users","arguments":{"filter":{"__proto__":{"banned":true}}}}}',
      400,
    ],
    [
      "too large a body",
      message("tools/call", { name: "count_users", arguments: { filter: { id: "x".repeat(200_000) } } }),
      413,
    ],
  ])("as a body, %s is refused before anything is asked", async (_, body, status) => {
    const response = await send(body);
    expect(response.status).toBe(status);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(await response.text()).not.toMatch(/\.js:/);
  });

  test("a tool or a method that isn't there is an error of the protocol", async () => {
    const { client } = await clientWith("um_test");
    await expect(client.callTool({ name: "delete_users", arguments: {} })).rejects.toThrow(/not found/);
    expect(await (await send(message("users/delete", {}))).text()).toContain('"error"');
  });

  test("a subscription isn't held open", async () => {
    const listening = message("subscriptions/listen", { notifications: { toolsListChanged: true } });
    const text = await (await send(listening)).text();
    expect(text).toContain('"error"');
    const { client } = await clientWith("um_test");
    await expect(client.listen({ toolsListChanged: true })).rejects.toThrow(/limit/);
  });

  test("other methods of HTTP get 405, since there are no sessions", async () => {
    for (const method of ["GET", "DELETE", "PUT"]) {
      const response = await fetch(`${server.url}/mcp`, {
        method,
        headers: { Authorization: "Bearer um_test" },
      });
      expect([method, response.status, response.headers.get("allow")]).toEqual([method, 405, "POST"]);
    }
  });
});
