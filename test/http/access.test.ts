// Covers src/auth/scopes.ts, src/upstream/clerk-routes.ts, src/http/{app,middleware}.ts

import { describe, expect, test } from "vitest";
import { SCOPES, type Scope } from "../../src/auth/scopes.js";
import { CLERK_ROUTES } from "../../src/upstream/clerk-routes.js";
import { examplePath, methodsOf } from "../support/clerk-routes.js";
import { bearer, MIRROR_KEY, principalWith, SECRET_KEY, standInApp } from "./stand-ins.js";

/** Every kind of route, and the one scope that opens it; `open`: none is needed, not even a key. */
const routes: [method: string, path: string, scope: Scope | "open"][] = [
  ["GET", "/healthz", "open"],
  ["GET", "/readyz", "open"],

  ["GET", "/v1/users", "users:read"],
  ["HEAD", "/v1/users", "users:read"],
  ["GET", "/v1/users/count", "users:read"],
  ["GET", "/v1/users/user_1", "users:read"],
  ["HEAD", "/v1/users/user_1", "users:read"],
  ["GET", "/v1/users/user_1/organization_memberships", "users:read"],
  ["GET", "/v1/users/user_1/organization_invitations", "users:read"],
  ["GET", "/v1/users/me", "users:read"],
  ["GET", "/v1/users/user_1/billing/subscription", "users:read"],

  ["POST", "/v1/users", "users:write"],
  ["POST", "/v1/users/ban", "users:write"],
  ["POST", "/v1/users/unban", "users:write"],
  ["PATCH", "/v1/users/user_1", "users:write"],
  ["DELETE", "/v1/users/user_1", "users:write"],
  ["PATCH", "/v1/users/user_1/metadata", "users:write"],
  ["PUT", "/v1/users/user_1/metadata", "users:write"],
  ["POST", "/v1/users/user_1/ban", "users:write"],
  ["POST", "/v1/users/user_1/unban", "users:write"],
  ["POST", "/v1/users/user_1/lock", "users:write"],
  ["POST", "/v1/users/user_1/unlock", "users:write"],
  ["POST", "/v1/users/user_1/profile_image", "users:write"],
  ["DELETE", "/v1/users/user_1/profile_image", "users:write"],
  ["DELETE", "/v1/users/user_1/mfa", "users:write"],
  ["POST", "/v1/users/user_1/verify_password", "users:write"],
  ["POST", "/v1/users/user_1/verify_totp", "users:write"],
  ["GET", "/v1/users/user_1/oauth_access_tokens/oauth_google", "users:write"],
  ["GET", "/v1/users/count/oauth_access_tokens/oauth_google", "users:write"],
  ["GET", "/v1/users/ban/oauth_access_tokens/oauth_google", "users:write"],
  ["GET", "/v1/users/unban/oauth_access_tokens", "users:write"],

  ["GET", "/v1/organizations", "proxy"],
  ["POST", "/v1/organizations", "proxy"],
  ["GET", "/v1/jwks", "proxy"],
  ["GET", "/v1/usersx", "proxy"],
  ["POST", "/v1/sessions/sess_1/revoke", "proxy"],
  ["GET", "/api_keys", "proxy"],
  ["POST", "/m2m_tokens/verify", "proxy"],
  ["POST", "/oauth_applications/access_tokens/verify", "proxy"],

  ["GET", "/mirror/changes", "changes:read"],
  ["HEAD", "/mirror/changes", "changes:read"],

  ["GET", "/mirror/users/user_1/history", "changes:read"],
  ["GET", "/mirror/organizations", "users:read"],
  ["GET", "/mirror/organizations/org_1/members", "users:read"],

  ["GET", "/mirror/status", "admin"],
  ["POST", "/mirror/reconcile", "admin"],
  ["GET", "/mirror/runs/run_1", "admin"],
  ["GET", "/mirror/runs", "admin"],
  ["GET", "/mirror/runs/run_1/windows", "admin"],
  ["POST", "/mirror/runs/run_1/stop", "admin"],
  ["GET", "/mirror/dead-letters", "admin"],
  ["GET", "/mirror/dead-letters/walk%3Auser_1", "admin"],
  ["POST", "/mirror/dead-letters/walk%3Auser_1/replay", "admin"],
  ["DELETE", "/mirror/dead-letters/walk%3Auser_1", "admin"],
];

const body = (method: string) => (method === "POST" ? { body: '{"mode":"full"}' } : {});

describe.each(routes)("%s %s", (method, path, needed) => {
  async function ask(key: Record<string, string>, overrides = {}) {
    const { app, asked } = standInApp(overrides);
    const response = await app.request(path, { method, headers: key, ...body(method) });
    const text = await response.text();
    expect(response.headers.get("content-type")).toBe("application/json");
    return { status: response.status, code: codeOf(text), asked };
  }

  const noKey: [string, Record<string, string>, string][] = [
    ["no key", {}, "authentication_invalid"],
    ["a malformed header", { Authorization: "Basic dTpw" }, "authorization_header_format_invalid"],
    ["an unknown key", { Authorization: "Bearer sk_test_other" }, "clerk_key_invalid"],
  ];
  test.each(noKey)("with %s", async (_, key, code) => {
    const answer = await ask(key);
    if (needed === "open") return expect(answer.status).toBe(200);
    expect(answer.status).toBe(401);
    if (method !== "HEAD") expect(answer.code).toBe(code);
    expect(answer.asked).toEqual([]);
  });

  test.each(SCOPES)("with only %s", async (scope) => {
    const answer = await ask(bearer("any").headers, { authenticate: principalWith(scope) });
    if (needed === "open" || needed === scope) return expect([200, 202]).toContain(answer.status);
    expect(answer.status).toBe(403);
    if (method !== "HEAD") expect(answer.code).toBe("authorization_invalid");
    expect(answer.asked).toEqual([]);
  });
});

const tabled = CLERK_ROUTES.flatMap((route) =>
  methodsOf(route).map((method) => ({ method, path: examplePath(route), scope: route.scope })),
);

test.each(tabled)("as the table of Clerk's routes says, $scope alone opens $method $path", async (route) => {
  const { method, path } = route;
  const { app, asked } = standInApp();
  expect((await app.request(path, { method })).status).toBe(401);
  for (const scope of SCOPES.filter((one) => one !== route.scope)) {
    const closed = standInApp({ authenticate: principalWith(scope) });
    expect((await closed.app.request(path, { method })).status).toBe(403);
    expect(closed.asked).toEqual([]);
  }
  expect(asked).toEqual([]);
  const open = standInApp({ authenticate: principalWith(route.scope) });
  expect([200, 404]).toContain((await open.app.request(path, { method })).status);
});

test("names the scope that is missing", async () => {
  const { app } = standInApp({ authenticate: principalWith("users:read") });
  const response = await app.request("/v1/users", { method: "POST" });
  expect(await response.json()).toMatchObject({
    errors: [{ message: expect.stringContaining("users:write"), meta: { scope: "users:write" } }],
  });
});

const keyHeaders = new Headers(bearer(MIRROR_KEY).headers);
const nowhere = [
  "/",
  "/v2/users",
  "/documentation",
  "/mirror",
  "/mirror/users/query",
  "/api_keysx",
  "/webhooks",
];
test.each(nowhere)("%s is nowhere: 401 without a key, 404 with one", async (path) => {
  const { app, asked } = standInApp();
  const [without, withKey] = [await app.request(path), await app.request(path, bearer(MIRROR_KEY))];
  expect([without.status, withKey.status]).toEqual([401, 404]);
  expect(await withKey.json()).toMatchObject({ errors: [{ code: "resource_not_found" }] });
  expect(withKey.headers.get("content-type")).toBe("application/json");
  expect(asked).toEqual([]);
});

test.each(["OPTIONS", "PROPFIND", "TRACE"])("%s is nothing that Clerk does", async (method) => {
  const { app, asked } = standInApp();
  const response = await app.fetch({ method, url: "http://mirror/v1/users", headers: keyHeaders } as Request);
  expect([response.status, asked]).toEqual([405, []]);
});

test("Clerk's secret key opens what Clerk would answer it, and no route of the mirror's own", async () => {
  const { app } = standInApp();
  expect((await app.request("/v1/users", bearer(SECRET_KEY))).status).toBe(200);
  expect((await app.request("/v1/jwks", bearer(SECRET_KEY))).status).toBe(200);
  expect((await app.request("/mirror/status", bearer(SECRET_KEY))).status).toBe(403);
});

function codeOf(text: string): string | undefined {
  return text ? JSON.parse(text).errors?.[0]?.code : undefined;
}
