// Covers src/http/openapi/, src/http/openapi/operations/, src/http/body-limits.ts

import { createConfig, lintFromString } from "@redocly/openapi-core";
import { describe, expect, test } from "vitest";
import { SCOPES } from "../../../src/auth/scopes.js";
import { methodsOf, shapeOf } from "../../../src/http/openapi/clerk-operations.js";
import { readClerkDescription } from "../../../src/http/openapi/clerk-schema.js";
import { openApi } from "../../../src/http/openapi/document.js";
import { CLERK_ROUTES } from "../../../src/upstream/clerk-routes.js";
import { standInApp } from "../stand-ins.js";

const document = openApi();
const clerk = readClerkDescription();

interface Described {
  operationId: string;
  description: string;
  security: { bearerAuth?: string[] }[];
  requestBody?: { description?: string };
  responses: Record<string, unknown>;
}

const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({
    name: `${method.toUpperCase()} ${path}`,
    path,
    operation: operation as unknown as Described,
  })),
);
const shapes = new Set(operations.map(({ name }) => shapeOf(name)));

/** Pages for people are one entry, whatever stands below it. */
const DASHBOARD = "/dashboard";
/** What only sends on to another address, or answers as another method of the same address does. */
const ALIASES = ["GET /docs/", "OPTIONS /healthz", "OPTIONS /readyz", "OPTIONS /"];

/** The routes of the app that have an address of their own: not its middleware, nor what stands for all of Clerk's paths. */
function ownRoutes(): string[] {
  const { app } = standInApp();
  const routes = app.routes
    .filter(({ method, path }) => method !== "ALL" && !path.includes("*"))
    .map(({ method, path }) => ({ method, path: path.replaceAll(/:(\w+)/g, "{$1}") }))
    .map(({ method, path }) => (path.startsWith(DASHBOARD) ? `GET ${DASHBOARD}` : `${method} ${path}`));
  return [...new Set(routes)].filter((route) => !ALIASES.includes(route));
}

const isOfClerk = (path: string) =>
  !/^\/(mirror|webhooks|healthz|readyz|metrics|openapi|docs|mcp|dashboard)\b/.test(path);

describe("the description and the routes", () => {
  test("every route of the mirror's own is described", () => {
    const routes = ownRoutes();
    expect(routes.length).toBeGreaterThan(20);
    expect(routes.filter((route) => !shapes.has(shapeOf(route)))).toEqual([]);
  });

  test("every operation that is described as the mirror's own is a route", () => {
    const routes = new Set([...ownRoutes().map(shapeOf), "POST /mcp"]);
    const own = operations.filter(({ path }) => !isOfClerk(path));
    expect(own.filter(({ name }) => !routes.has(shapeOf(name))).map(({ name }) => name)).toEqual([]);
  });

  test("every entry of the table of Clerk's routes is described: by itself, or by what stands for it and others", () => {
    const missing = CLERK_ROUTES.flatMap((route) =>
      methodsOf(route)
        .map((method) => `${method} ${route.template}`)
        .filter((name) => {
          const above = name.replace(/\/\*\*$/, "").split("/");
          return ![
            shapeOf(name.replace("**", "{}")),
            ...above.map((_, n) => `${above.slice(0, above.length - n).join("/")}/{}`),
          ].some((shape) => shapes.has(shapeOf(shape)));
        }),
    );
    expect(missing).toEqual([]);
  });

  test("every operation of Clerk's is one of its description, or of the table", () => {
    const known = new Set([
      ...Object.entries(clerk.paths).flatMap(([path, methods]) =>
        Object.keys(methods).map((method) => shapeOf(`${method.toUpperCase()} /v1${path}`)),
      ),
      ...CLERK_ROUTES.flatMap((route) =>
        methodsOf(route).map((method) => shapeOf(`${method} ${route.template.replace("**", "{}")}`)),
      ),
    ]);
    const ofClerk = operations.filter(({ path }) => isOfClerk(path));
    expect(ofClerk.length).toBeGreaterThan(80);
    expect(ofClerk.filter(({ name }) => !known.has(shapeOf(name))).map(({ name }) => name)).toEqual([]);
  });

  test("no two operations have one name, and no two paths one shape", () => {
    const names = operations.map(({ operation }) => operation.operationId);
    expect(names).toEqual([...new Set(names)]);
    const paths = Object.keys(document.paths).map(shapeOf);
    expect(paths).toEqual([...new Set(paths)]);
  });
});

describe("what an operation needs", () => {
  test.each(operations)("$name names its scope as the app demands it", async ({ name, path, operation }) => {
    const [method] = name.split(" ") as [string];
    const [needed] = operation.security;
    const scope = needed?.bearerAuth?.[0];
    const { app } = standInApp({
      authenticate: () => ({ name: "test", scopes: new Set(SCOPES.filter((one) => one !== scope)) }),
      clerkAnswers: () => ({ status: 200, body: {} }),
    });
    const address = path.replaceAll("{path}", "a/b").replaceAll(/\{\w+\}/g, "x_1");
    const body = method === "GET" || method === "DELETE" ? {} : { body: '{"mode":"full"}' };
    const key = { Authorization: "Bearer any" };
    const response = await app.request(address, { method, headers: key, ...body });
    if (scope === undefined) expect(response.status).not.toBe(403);
    else {
      expect(response.status).toBe(403);
      expect(JSON.parse(await response.text()).errors[0].meta).toEqual({ scope });
      expect(operation.description).toContain(`Scope: \`${scope}\`.`);
    }
    const { app: locked } = standInApp();
    const { status } = await locked.request(address, { method, ...body });
    expect(status === 401).toBe(needed !== undefined);
  });
});

describe("what a body may have", () => {
  const limited = operations.flatMap(({ name, path, operation }) => {
    const [, kib] = /At most (\d+) KiB\.$/.exec(operation.requestBody?.description ?? "") ?? [];
    return kib === undefined ? [] : [{ name, path, bytes: Number(kib) * 1024 }];
  });
  const { app } = standInApp({ authenticate: () => ({ name: "test", scopes: new Set(SCOPES) }) });
  const signature = { "svix-id": "msg_1", "svix-timestamp": `${Math.floor(Date.now() / 1000)}` };

  test("is described of every operation of the mirror's own that takes one", () => {
    const own = operations.filter(({ path, operation }) => operation.requestBody && !isOfClerk(path));
    expect(limited.map(({ name }) => name)).toEqual(own.map(({ name }) => name));
  });

  test.each(limited)("$name: $bytes bytes, and not one more", async ({ path, bytes }) => {
    const refusal = async (body: string) => {
      const headers = {
        Authorization: "Bearer any",
        ...signature,
        "svix-signature": `v1,${"A".repeat(43)}=`,
      };
      return (await app.request(path, { method: "POST", headers, body })).text();
    };
    expect(await refusal("x".repeat(bytes))).not.toContain("KiB");
    expect(await refusal("x".repeat(bytes + 1))).toContain("KiB");
  });
});

/** Clerk's own schemas are as Clerk wrote them: these two rules find things in them that no generator minds. */
const LEFT_TO_CLERK = ["no-illogical-composition-keywords", "no-required-schema-properties-undefined"];

test("the description has nothing that a linter finds wrong with it, its examples included", async () => {
  const config = await createConfig({
    extends: ["recommended"],
    rules: {
      "no-invalid-media-type-examples": "error",
      "no-invalid-parameter-examples": "error",
      "no-invalid-schema-examples": "error",
      "operation-description": "error",
    },
  });
  const source = JSON.stringify(document);
  const problems = await lintFromString({ source, absoluteRef: "/openapi.json", config });
  const ofClerk = new Set(Object.keys(clerk.components.schemas));
  const found = problems
    .map(({ ruleId, message, location }) => ({ ruleId, message, at: location[0]?.pointer ?? "" }))
    .filter(({ ruleId, at }) => {
      const [, name = ""] = /^#\/components\/schemas\/([^/]+)/.exec(at) ?? [];
      return !(LEFT_TO_CLERK.includes(ruleId) && ofClerk.has(name));
    });
  expect(found).toEqual([]);
});
