// Covers src/http/{middleware,request-target,errors}.ts

import { expect, test } from "vitest";
import { bearer, MIRROR_KEY, principalWith, standInApp } from "./stand-ins.js";

/** As a server sees it: the app's own URL has repeated slashes and dots resolved. */
async function ask(method: string, path: string, headers: Record<string, string> = {}) {
  const { app, asked } = standInApp();
  const init = { method, headers: { ...bearer(MIRROR_KEY).headers, ...headers } };
  const incoming = { url: path, method, headers: {} } as never;
  const response = await app.request(`http://mirror.test:8787${path}`, init, { incoming });
  return { status: response.status, error: ((await response.json()) as Answer).errors?.[0], asked };
}

type Answer = { errors?: { code: string; long_message: string }[] };

test.each([
  "/users",
  "/users/user_1",
  "/users/count",
  "/V1/users",
  "/v2/users",
  "/api/v1/users",
  "/jwks",
  "/v1",
  "/v1/",
  "/",
])(
  "%s is no path of Clerk's: the answer says which base URL is right, and nothing is forwarded",
  async (path) => {
    for (const method of ["GET", "POST", "PATCH", "DELETE"]) {
      const { status, error, asked } = await ask(method, path);
      expect([status, error?.code, asked]).toEqual([404, "resource_not_found", []]);
      expect(error?.long_message).toContain("http://mirror.test:8787;");
      expect(error?.long_message).toContain("http://mirror.test:8787/v1.");
    }
  },
);

test.each(["/v1/v1/users", "/v1/v1", "/v1/v1/users/user_1", "//v1//v1/users", "/v1/V1/users", "/v1/v1/jwks"])(
  "%s has /v1 twice: the answer says that the base URL has none, and nothing is forwarded",
  async (path) => {
    const { status, error, asked } = await ask("POST", path);
    expect([status, error?.code, asked]).toEqual([404, "resource_not_found", []]);
    expect(error?.long_message).toContain("its base URL is http://mirror.test:8787 (without /v1)");
  },
);

test.each([
  ["//v1/users/user_2", ["forward", "PATCH", "/v1/users/user_2"]],
  ["/v1//users/user_2/", ["forward", "PATCH", "/v1/users/user_2"]],
  ["/v1/users/v1", ["forward", "PATCH", "/v1/users/v1"]],
])("%s is a path of Clerk's, spelled otherwise", async (path, forwarded) => {
  expect((await ask("PATCH", path)).asked[0]).toEqual(forwarded);
});

test.each([
  ["GET", "/v1/users"],
  ["GET", "/v1/users/user_1"],
  ["GET", "/v1/users/user_unknown"],
  ["POST", "/v1/users"],
  ["GET", "/v1/jwks"],
  ["GET", "/mirror/status"],
])(
  "%s %s that comes from a mirror is answered 508, whatever its key, and goes nowhere",
  async (method, path) => {
    for (const authorization of [`Bearer ${MIRROR_KEY}`, "Bearer sk_test_unknown", ""]) {
      const { status, error, asked } = await ask(method, path, { "X-Mirror-Hop": "1", authorization });
      expect([status, error?.code, asked]).toEqual([508, "loop_detected", []]);
      expect(error?.long_message).toContain("CLERK_API_URL");
    }
  },
);

test("a path that isn't Clerk's is 404 whatever scopes the key has", async () => {
  const { app } = standInApp({ authenticate: principalWith("users:read") });
  expect((await app.request("/v1/v1/organizations")).status).toBe(404);
});
