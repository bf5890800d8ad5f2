import { describe, expect, test } from "vitest";
import { KEY, MIRROR_KEY, standInApp } from "../stand-ins.js";

const headers = { Authorization: `Bearer ${MIRROR_KEY}` };
const post = (body: unknown) => ({ method: "POST", headers, body: JSON.stringify(body) });

describe("the routes of keys", () => {
  test("list, make and revoke keys", async () => {
    const { app } = standInApp();
    expect(await (await app.request("/mirror/keys", { headers })).json()).toEqual({ data: [KEY] });
    const made = await app.request("/mirror/keys", post({ name: "a", scopes: ["users:read"] }));
    expect([made.status, await made.json()]).toEqual([201, expect.objectContaining({ key: "um_made" })]);
    const revoked = await app.request("/mirror/keys/key_1", { method: "DELETE", headers });
    expect(await revoked.json()).toMatchObject({ id: "key_1", revoked_at: 5 });
    expect((await app.request("/mirror/keys/key_9", { method: "DELETE", headers })).status).toBe(404);
  });

  test.each([
    [{ name: "a", scopes: ["nothing"] }, "scopes.0"],
    [{ name: "a", scopes: [] }, "scopes"],
    [{ scopes: ["admin"] }, "name"],
    [{ name: "a", scopes: ["admin"], rate: 0 }, "rate"],
    [[], "body"],
  ])("refuse %j and name %s", async (body, param_name) => {
    const { app } = standInApp();
    const answer = await app.request("/mirror/keys", post(body));
    expect([answer.status, await answer.json()]).toMatchObject([422, { errors: [{ meta: { param_name } }] }]);
  });

  test("say so of a body that isn't JSON, and of one that is too large", async () => {
    const { app, asked } = standInApp();
    const send = (body: string) => app.request("/mirror/keys", { method: "POST", headers, body });
    expect([(await send("{")).status, (await send(" ".repeat(64 * 1024 + 1))).status]).toEqual([400, 413]);
    expect(asked).toEqual([]);
  });

  test("let no key make one that can do more than itself", async () => {
    const { app, asked } = standInApp({ authenticate: () => ({ name: "k", scopes: new Set(["admin"]) }) });
    const answer = await app.request("/mirror/keys", post({ name: "a", scopes: ["admin", "proxy"] }));
    expect([answer.status, await answer.json()]).toMatchObject([
      403,
      { errors: [{ meta: { scope: "proxy" } }] },
    ]);
    expect(asked).toEqual([]);
  });

  test("are closed to every key without the scope admin", async () => {
    const { app } = standInApp({
      authenticate: () => ({ name: "k", scopes: new Set(["users:read", "users:write", "proxy"]) }),
    });
    for (const [path, init] of [
      ["/mirror/keys", { headers }],
      ["/mirror/keys", post({ name: "a", scopes: ["users:read"] })],
      ["/mirror/keys/key_1", { method: "DELETE", headers }],
    ] as const)
      expect((await app.request(path, init)).status).toBe(403);
  });
});
