// Covers src/http/respond.ts, src/lib/etag.ts

import { expect, test } from "vitest";
import { bearer, MIRROR_KEY, standInApp } from "./stand-ins.js";

async function cachingOf(path: string, init: RequestInit = bearer(MIRROR_KEY)) {
  const { app } = standInApp();
  const response = await app.request(path, init);
  return [response.status, response.headers.get("cache-control")];
}

const NO_STORE = "private, no-store";

test.each([
  ["a list", "/v1/users", 200],
  ["a count", "/v1/users/count", 200],
  ["memberships", "/v1/users/user_1/organization_memberships", 200],
  ["an answer of Clerk's", "/v1/organizations", 200],
  ["nobody", "/v1/users/user_gone", 404],
  ["the status", "/mirror/status", 200],
  ["dead letters", "/mirror/dead-letters", 200],
  ["a run", "/mirror/runs/run_1", 200],
  ["no such path", "/nothing", 404],
])("nobody keeps %s", async (_, path, status) => {
  expect(await cachingOf(path)).toEqual([status, NO_STORE]);
});

test("nobody keeps what a key is refused, nor what a webhook is answered", async () => {
  expect(await cachingOf("/v1/users", {})).toEqual([401, NO_STORE]);
  expect(await cachingOf("/webhooks/clerk", { method: "POST", body: "{}" })).toEqual([400, NO_STORE]);
});

test("a user with an ETag may be kept by who asked, and is asked for each time", async () => {
  expect(await cachingOf("/v1/users/user_1")).toEqual([200, "private, no-cache"]);
  const again = { headers: { ...bearer(MIRROR_KEY).headers, "If-None-Match": '"tag"' } };
  expect(await cachingOf("/v1/users/user_1", again)).toEqual([304, "private, no-cache"]);
});
