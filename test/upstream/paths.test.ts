import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { classify, normalisePath } from "../../src/upstream/paths.js";

const spec = JSON.parse(
  readFileSync(join(import.meta.dirname, "../../src/http/openapi/clerk-users.json"), "utf8"),
) as {
  paths: Record<string, Record<string, { responses: Record<string, { content?: Content; $ref?: string }> }>>;
  components: { responses: Record<string, { content?: Content }> };
};
type Content = Record<string, { schema: { $ref?: string; items?: { $ref?: string }; type?: string } }>;

/** Every operation of Clerk's description of the Users API, with the schema of its success. */
const OPERATIONS = Object.entries(spec.paths).flatMap(([path, methods]) =>
  Object.entries(methods).flatMap(([method, operation]) => {
    if (!/^(get|post|put|patch|delete)$/.test(method)) return [];
    const success = operation.responses["200"] ?? {};
    const named = success.$ref?.split("/").at(-1);
    const { content } = named ? (spec.components.responses[named] ?? {}) : success;
    const schema = content?.["application/json"]?.schema;
    const answers = (schema?.$ref ?? schema?.items?.$ref)?.split("/").at(-1) ?? null;
    return [{ method: method.toUpperCase(), path: `/v1${path.replaceAll(/\{\w+\}/g, "x_1")}`, answers }];
  }),
);

test("Clerk's description has operations to hold against", () => {
  expect(OPERATIONS.length).toBeGreaterThan(35);
});

describe.each(OPERATIONS)("$method $path", ({ method, path, answers }) => {
  const route = classify(method, normalisePath(path));

  test("is known, with a scope that fits its method", () => {
    const elsewhere = path.startsWith("/v1/organization");
    const reads = method === "GET" && !path.includes("oauth_access_tokens");
    expect(route?.scope).toBe(elsewhere ? "proxy" : reads ? "users:read" : "users:write");
  });

  test("applies a user wherever Clerk answers one, and asks about the user wherever it doesn't", () => {
    const kind = route?.effect.kind;
    if (path.startsWith("/v1/organization")) expect(kind).toBe("memberships");
    else if (answers === "User") expect(["user", "users"]).toContain(kind);
    else if (method === "GET") expect(["none", "memberships"]).toContain(kind);
    else if (path === "/v1/users/x_1") expect(kind).toBe("user_deleted");
    else if (/verify_password|billing/.test(path)) expect(kind).toBe("none");
    else expect(route?.effect).toEqual({ kind: "refetch_user", userId: "x_1" });
  });
});

test.each([
  ["GET", "/v1/users", "list"],
  ["GET", "/v1/users/", "list"],
  ["GET", "//v1//users", "list"],
  ["GET", "/v1/users/count", "count"],
  ["GET", "/v1/users/user_1", "get"],
  ["GET", "/v1/users/user%5F1", "get"],
  ["GET", "/v1/users/v1", "get"],
  ["GET", "/v1/users/me", null],
  ["GET", "/v1/users/user_1/organization_memberships", "memberships"],
  ["GET", "/v1/users/user_1/organization_invitations", null],
  ["POST", "/v1/users", null],
  ["DELETE", "/v1/users/user_1", null],
])("%s %s is answered here as: %s", (method, path, local) => {
  expect(classify(method, normalisePath(path))?.local).toBe(local);
});

test.each([
  "/v1/users/../organizations",
  "/v1/users/%2e%2e/organizations",
  "/v1/users/a%2fban",
  "/v1/users/a%5Cban",
  "/v1/users/.",
  "/v1/users/%00",
  "/v1/users/%E0%A4%A",
])("refuses %s, which Clerk might understand otherwise", (path) => {
  expect(() => normalisePath(path)).toThrow(expect.objectContaining({ code: "bad_request" }));
});

test.each([
  ...["/", "/healthz", "/v1", "/v1/", "/v2/users", "/api_keysx", "/mirror/status", "/oauth_applications"],
  ...[
    "/users",
    "/V1/users",
    "/v1/v1",
    "/v1/v1/users",
    "//v1//v1/users",
    "/v1/V1/users",
    "/v1/%761/users",
    "/api/v1/users",
  ],
])("%s is no path of Clerk's", (path) => {
  expect(classify("GET", normalisePath(path))).toBeNull();
});

test.each([
  ["DELETE", "/v1/organizations/org_1", { kind: "organization_deleted", organizationId: "org_1" }],
  ["POST", "/v1/organizations/org_1/memberships", { kind: "membership" }],
  ["DELETE", "/v1/organizations/org_1/memberships/user_1", { kind: "membership_deleted" }],
  ["PATCH", "/v1/organizations/org_1/memberships/user_1/metadata", { kind: "membership" }],
  ["DELETE", "/v1/organizations/org_1/domains/dom_1", { kind: "none" }],
  ["DELETE", "/v1/email_addresses/idn_1", { kind: "refetch_user", userId: null }],
  ["DELETE", "/v1/users/user_1/passkeys/idn_1", { kind: "refetch_user", userId: "user_1" }],
])("%s %s says to the mirror: %j", (method, path, effect) => {
  expect(classify(method, path)?.effect).toEqual(effect);
});
