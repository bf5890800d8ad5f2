import { afterEach, expect, test } from "vitest";
import type { FinishedRequest } from "../../src/http/request-observer.js";
import { type Listening, listen } from "../../src/http/server.js";
import { createShortcut } from "../../src/http/shortcut.js";
import type { UserQueries } from "../../src/query/users.js";
import { bearer, MIRROR_KEY, type Overrides, standInApp } from "./stand-ins.js";

const servers: Listening[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.drain(1000)));
});

const inMemory = { kind: "live", body: Buffer.from('{"id":"user_1"}'), etag: '"kept"' } as const;

/** A server of the app, with or without the shortcut before it, and what its observer was told. */
async function observed({ withShortcut }: { withShortcut: boolean }, reads: Partial<UserQueries> = {}) {
  const seen: FinishedRequest[] = [];
  const { parts } = standInApp();
  const users = { ...parts.users, users: { ...parts.users.users, ...reads } };
  const { app, parts: deps } = standInApp({ users, observe: (request) => void seen.push(request) });
  const shortcut = createShortcut({ ...deps.users, observe: deps.observe, authenticate: deps.authenticate });
  const server = await listen(app, { host: "127.0.0.1", port: 0 }, withShortcut ? shortcut : undefined);
  servers.push(server);
  return { seen, url: server.url };
}

test.each<[string, Partial<UserQueries>, FinishedRequest["readFrom"]]>([
  ["memory", { getFromMemory: () => inMemory }, "memory"],
  ["Postgres", {}, "postgres"],
])("a user read from %s is observed alike by the app and by the shortcut", async (_, reads, readFrom) => {
  const told = [];
  for (const withShortcut of [false, true]) {
    const { seen, url } = await observed({ withShortcut }, reads);
    const headers = { ...bearer(MIRROR_KEY).headers, "X-Request-Id": "mine-1" };
    await (await fetch(`${url}/v1/users/user_1`, { headers })).text();
    await expect.poll(() => seen.length).toBe(1);
    told.push(seen[0]);
  }
  expect(told[1]).toEqual({ ...told[0], ms: expect.any(Number) });
  expect(told[0]).toEqual({
    method: "GET",
    template: "/v1/users/{id}",
    route: "/v1/users/{id}",
    status: 200,
    ms: expect.any(Number),
    requestId: "mine-1",
    key: "MIRROR_API_KEY",
    readFrom,
    isCut: false,
  });
});

test.each<[string, RequestInit, Partial<FinishedRequest>]>([
  ["/healthz", {}, { template: "/healthz", status: 200, key: undefined, readFrom: undefined }],
  ["/v1/users/user_1", {}, { template: "/v1/users/{id}", status: 401, key: undefined, readFrom: undefined }],
  ["/v1/jwks", bearer(MIRROR_KEY), { template: "/v1/jwks", status: 200, readFrom: "clerk" }],
  ["/v1/users", { ...bearer(MIRROR_KEY), method: "HEAD" }, { method: "HEAD", template: "/v1/users" }],
  ["/mirror/runs/run_1", bearer(MIRROR_KEY), { template: "/mirror/runs/{id}", status: 200 }],
  ["/nowhere", bearer(MIRROR_KEY), { template: "/nowhere", status: 404, key: "MIRROR_API_KEY" }],
])("%s is observed once, whatever answers it", async (path, init, expected) => {
  const { seen, url } = await observed({ withShortcut: true });
  await (await fetch(`${url}${path}`, init)).text();
  await expect.poll(() => seen.length).toBe(1);
  expect(seen[0]).toMatchObject(expected);
});

test("an answer that fails unexpectedly is observed as the 500 that its caller gets", async () => {
  const seen: FinishedRequest[] = [];
  const { parts } = standInApp();
  const failing: Overrides = {
    users: {
      ...parts.users,
      users: { ...parts.users.users, count: () => Promise.reject(new Error("a bug")) },
    },
    observe: (request) => void seen.push(request),
  };
  await standInApp(failing).app.request("/v1/users/count", bearer(MIRROR_KEY));
  expect(seen).toMatchObject([{ template: "/v1/users/count", status: 500 }]);
});
