// Covers src/lib/errors.ts

import { createClerkClient } from "@clerk/backend";
import { afterEach, expect, test } from "vitest";
import { type Listening, listen } from "../../src/http/server.js";
import { AppError } from "../../src/lib/errors.js";
import { bearer, MIRROR_KEY, type Overrides, principalWith, SECRET_KEY, standInApp } from "./stand-ins.js";

const servers: Listening[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.drain(1000)));
});

/** Clerk's own SDK, unmodified, against a mirror of stand-ins. */
async function sdk(overrides: Overrides = {}, secretKey = SECRET_KEY) {
  const server = await listen(standInApp(overrides).app, { host: "127.0.0.1", port: 0 });
  servers.push(server);
  return createClerkClient({ secretKey, apiUrl: server.url });
}

/** A mirror whose count fails in this way. */
function failingWith(error: Error): Overrides {
  const { parts } = standInApp();
  return { users: { ...parts.users, users: { ...parts.users.users, count: () => Promise.reject(error) } } };
}

const clerkError = (status: number, code: string) => ({
  clerkError: true,
  status,
  errors: [expect.objectContaining({ code, message: expect.any(String), longMessage: expect.any(String) })],
});

test("an unknown key arrives as the SDK's own error", async () => {
  const clerk = await sdk({}, "sk_test_other");
  await expect(clerk.users.getUser("user_1")).rejects.toMatchObject(clerkError(401, "clerk_key_invalid"));
});

test("a missing scope arrives as the SDK's own error", async () => {
  const clerk = await sdk({ authenticate: principalWith("users:read") });
  await expect(clerk.users.deleteUser("user_1")).rejects.toMatchObject(
    clerkError(403, "authorization_invalid"),
  );
});

test("an unknown user arrives with Clerk's words and a trace id", async () => {
  const clerk = await sdk();
  await expect(clerk.users.getUser("user_gone")).rejects.toMatchObject({
    ...clerkError(404, "resource_not_found"),
    errors: [{ message: "not found", longMessage: "No user was found with id user_gone" }],
    clerkTraceId: expect.stringMatching(/^[0-9a-f-]{36}$/),
  });
});

test("a wrong parameter arrives with its name", async () => {
  const clerk = await sdk();
  await expect(clerk.users.getUserList({ limit: 501 })).rejects.toMatchObject({
    ...clerkError(422, "form_param_value_invalid"),
    errors: [{ meta: { paramName: "limit" } }],
  });
});

test("when to try again arrives as retryAfter", async () => {
  const error = new AppError("upstream_unavailable", "slow down", { retryAfterSeconds: 6.2 });
  const clerk = await sdk(failingWith(error));
  await expect(clerk.users.getCount()).rejects.toMatchObject({
    ...clerkError(502, "bad_gateway"),
    retryAfter: 7,
  });
});

test("a bug is answered with a bare 500 that tells nothing of it", async () => {
  const clerk = await sdk(failingWith(new TypeError("confidential")));
  const failure = await clerk.users.getCount().catch((error) => error);
  expect(failure).toMatchObject(clerkError(500, "internal_clerk_error"));
  expect(JSON.stringify(failure)).not.toContain("confidential");
});

const databaseFailures = [
  Object.assign(new Error("write CONNECTION_CLOSED"), { code: "CONNECTION_CLOSED" }),
  Object.assign(new Error("connect"), { code: "ECONNREFUSED" }),
  Object.assign(new Error("shutting down"), { code: "57P01" }),
  Object.assign(new Error("disk full"), { code: "53100" }),
  Object.assign(new Error("deadlock"), { code: "40P01" }),
  new Error("Failed query", { cause: Object.assign(new Error("gone"), { code: "08006" }) }),
];
test.each(databaseFailures)("a database that is away is a 503 worth repeating (%s)", async (error) => {
  const clerk = await sdk(failingWith(error));
  await expect(clerk.users.getCount()).rejects.toMatchObject({
    ...clerkError(503, "service_unavailable"),
    retryAfter: 1,
  });
});

test.each(["42P01", "22021", "23505"])(
  "a statement that is wrong (%s) is a bug, not an outage",
  async (code) => {
    const clerk = await sdk(failingWith(Object.assign(new Error("statement"), { code })));
    await expect(clerk.users.getCount()).rejects.toMatchObject(clerkError(500, "internal_clerk_error"));
  },
);

test("keeps a harmless request id of the caller's and replaces any other", async () => {
  const { app } = standInApp();
  const idFor = async (id: string) =>
    (await app.request("/healthz", { headers: { "X-Request-Id": id } })).headers.get("x-request-id");
  expect(await idFor("req-1:a.b_c")).toBe("req-1:a.b_c");
  for (const id of ["a b", "x".repeat(65), "{}", "é"]) expect(await idFor(id)).toMatch(/^[0-9a-f-]{36}$/);
});

test("the request id is the trace id of the mirror's own errors", async () => {
  const { app } = standInApp();
  const response = await app.request("/v1/users/user_gone", {
    headers: { ...bearer(MIRROR_KEY).headers, "X-Request-Id": "req-1" },
  });
  expect(await response.json()).toMatchObject({ clerk_trace_id: "req-1" });
});
