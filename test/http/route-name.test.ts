import fc from "fast-check";
import { expect, test } from "vitest";
import { bearer, MIRROR_KEY, standInApp } from "./stand-ins.js";

async function routesOf(requests: [method: string, path: string][], key: string | null = MIRROR_KEY) {
  const routes: string[] = [];
  const { app } = standInApp({ observe: ({ route }) => void routes.push(route) });
  for (const [method, path] of requests)
    await (await app.request(path, { method, ...(key !== null && bearer(key)) })).text();
  return routes;
}

test.each<[string, string, string]>([
  ["GET", "/v1/users/user_1", "/v1/users/{id}"],
  ["HEAD", "/v1/users/user_1", "/v1/users/{id}"],
  ["GET", "/v1/users//user_1", "/v1/users/{id}"],
  ["POST", "/v1/users/user_1/ban", "/v1/users/{id}/ban"],
  ["GET", "/v1/users/user_1/anything/else", "/v1/users/{id}/**"],
  ["GET", "/v1/whatever/comes/next", "/v1/**"],
  ["GET", "/mirror/runs/run_1", "/mirror/runs/{id}"],
  ["DELETE", "/mirror/dead-letters/msg_1", "/mirror/dead-letters/{id}"],
  ["POST", "/mirror/users/query", "/mirror/users/query"],
  ["GET", "/healthz", "/healthz"],
  ["POST", "/webhooks/clerk", "/webhooks/clerk"],
  ["GET", "/metrics", "/metrics"],
  ["GET", "/dashboard/sign-in", "/dashboard/sign-in"],
  ["GET", "/dashboard/nothing/here", "unmatched"],
  ["GET", "/mirror/nothing", "unmatched"],
  ["GET", "/v1/v1/users", "unmatched"],
  ["OPTIONS", "/v1/users", "unmatched"],
])("%s %s is for %s, with a key and without", async (method, path, route) => {
  expect(await routesOf([[method, path]])).toEqual([route]);
  // Repeated slashes are Clerk's to read only behind the key.
  if (!path.includes("//")) expect(await routesOf([[method, path]], null)).toEqual([route]);
});

test("whatever paths are asked for, the names of routes are few and hold nothing of them", async () => {
  const asked = fc.sample(
    fc.tuple(
      fc.constantFrom("GET", "POST", "DELETE"),
      fc
        .array(
          fc.oneof(
            fc.constantFrom("v1", "mirror", "users", "docs", "dashboard"),
            fc.stringMatching(/^[a-z]{12}$/),
          ),
          { minLength: 1, maxLength: 5 },
        )
        .map((segments) => `/${segments.join("/")}`),
    ),
    400,
  );
  const names = new Set(await routesOf(asked as [string, string][]));
  expect(names.size).toBeLessThan(40);
  for (const name of names) expect(name).not.toMatch(/[a-z]{12}/);
});
