// Covers src/upstream/route-tree.ts

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { CLERK_ROUTES, routeAnsweredBy } from "../../src/upstream/clerk-routes.js";
import { classify, normalisePath, templateOf } from "../../src/upstream/paths.js";
import { examplePath, methodsOf } from "../support/clerk-routes.js";

const cases = CLERK_ROUTES.flatMap((route) =>
  methodsOf(route).map((method) => ({ method, path: examplePath(route), template: route.template, route })),
);

describe.each(cases)("$method $template", ({ method, path, route }) => {
  const found = classify(method, normalisePath(path));

  test("is found by its path, with the scope, the handler and the limit that the table says", () => {
    expect(found).toMatchObject({ path, scope: route.scope });
    expect(found?.local).toBe(route.local ?? null);
    expect(found?.ownLimit).toBe(route.ownLimit ?? null);
  });

  test("says to the mirror what the table says, about the id in its path", () => {
    expect(found?.effect.kind).toBe(route.effect ?? "none");
    const id = route.template.includes("{id}") ? "x_1" : null;
    expect(found?.id).toBe(id);
    if (found && "userId" in found.effect) expect(found.effect.userId).toBe(id);
    if (found && "organizationId" in found.effect) expect(found.effect.organizationId).toBe(id);
  });

  test("is named in logs and metrics by its template, and so is its path alone", () => {
    const name = templateOf(path);
    expect(found?.template).toBe(name);
    if (route.template.endsWith("**")) expect(name).toMatch(/\/\{id\}$/);
    else expect(name).toBe(route.template);
  });

  test("is answered here only if it reads", () => {
    if (route.local !== undefined) expect([method, routeAnsweredBy(route.local)]).toEqual(["GET", route]);
  });
});

test("no method and template stand in the table twice", () => {
  const keys = CLERK_ROUTES.map(({ method, template }) => `${method} ${template}`);
  expect(keys).toEqual([...new Set(keys)]);
});

test("every operation in Clerk's own description has an entry of its own", () => {
  const spec = JSON.parse(
    readFileSync(join(import.meta.dirname, "../../src/http/openapi/clerk-users.json"), "utf8"),
  );
  const keys = new Set(CLERK_ROUTES.map(({ method, template }) => `${method} ${shapeOf(template)}`));
  const missing = Object.entries<object>(spec.paths).flatMap(([path, methods]) =>
    Object.keys(methods)
      .filter((method) => /^(get|post|put|patch|delete)$/.test(method))
      .map((method) => `${method.toUpperCase()} ${shapeOf(`/v1${path}`)}`)
      .filter((key) => !keys.has(key)),
  );
  expect(missing).toEqual([]);
});

const shapeOf = (template: string) => template.replaceAll(/\{\w+\}/g, "{}");

test.each([
  ["GET", "/v1/users/ban", null],
  ["GET", "/v1/users/count/organization_memberships", null],
  ["GET", "/v1/users/bans", "get"],
])("a literal goes before a parameter: %s %s is answered here as %s", (method, path, local) => {
  expect(classify(method, path)?.local).toBe(local);
});

test.each([
  ["POST", "/v1/users/count", "users:write"],
  ["DELETE", "/v1/users", "users:write"],
  ["PUT", "/v1/users/user_1", "users:write"],
  ["GET", "/v1/users/user_1/billing/invoices", "users:read"],
  ["GET", "/v1/users/user_1/oauth_access_tokens/oauth_google/more", "users:write"],
  ["GET", "/v1/users/me/oauth_access_tokens/oauth_google", "users:write"],
  ["DELETE", "/v1/anything", "proxy"],
  ["GET", "/api_keys", "proxy"],
])("what no entry names takes the scope of what is around it: %s %s, %s", (method, path, scope) => {
  expect(classify(method, path)?.scope).toBe(scope);
});

test.each([
  ["/v1/users/user_abc/new_thing/idn_1", "/v1/users/{id}/new_thing/{id}"],
  ["/v1/organizations/acme/roles/role_1", "/v1/organizations/{id}/roles/{id}"],
  ["/v1/sk_live_Secret1", "/v1/{id}"],
  ["/mirror/runs/run_1", "/mirror/runs/{id}"],
  ["//v1//users", "/v1/users"],
  ["/v1/users//alice", "/v1/users/{id}"],
])("names %s, which no entry names, without its ids: %s", (path, name) => {
  expect(templateOf(path)).toBe(name);
});
