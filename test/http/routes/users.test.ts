import { expect, test } from "vitest";
import type { UsersDeps } from "../../../src/http/routes/users.js";
import { AppError } from "../../../src/lib/errors.js";
import { bearer, MIRROR_KEY, type Overrides, PRIVATE_USER, principalWith, standInApp } from "../stand-ins.js";

type Users = Omit<UsersDeps, "answerByClerk">;

async function get(path: string, users: Partial<Users> = {}, overrides: Overrides = {}, headers = {}) {
  const standIns = { ...standInUsers(), ...users };
  const { app, asked } = standInApp({ users: standIns, ...overrides });
  const key = bearer(MIRROR_KEY).headers;
  const response = await app.request(path, { headers: { ...key, ...headers } });
  return {
    status: response.status,
    source: response.headers.get("x-mirror-source"),
    asOf: response.headers.get("x-mirror-as-of"),
    body: JSON.parse(await response.text()),
    asked,
  };
}

/** A mirror that holds `user_1`, a tombstone of `user_gone`, and nothing else. */
const standInUsers = () => standInApp().parts.users;

const coldStart = {
  completeness: { isBackfilled: () => false, asOfMs: () => null, membershipsAsOfMs: () => null },
};
const upstream = { "X-Mirror-Read": "upstream" };
const reads = [
  "/v1/users",
  "/v1/users/count",
  "/v1/users/user_1",
  "/v1/users/user_1/organization_memberships",
];

test.each(reads)("answers %s itself, and says as of when", async (path) => {
  const { status, source, asOf, asked } = await get(path);
  // Memberships have a proof of their own.
  const proved = path.endsWith("memberships") ? "1600000000000" : "1700000000000";
  expect([status, source, asOf, asked]).toEqual([200, "local", proved, []]);
});

test("counts in Clerk's shape", async () => {
  expect((await get("/v1/users/count")).body).toEqual({ object: "total_count", total_count: 7 });
});

test("hands private metadata only to keys that may read it", async () => {
  for (const path of ["/v1/users", "/v1/users/user_1"]) {
    for (const may of [true, false]) {
      const authenticate = may
        ? principalWith("users:read", "private_metadata:read")
        : principalWith("users:read");
      const { body } = await get(path, {}, { authenticate });
      expect([body].flat()[0].view).toEqual({ privateMetadata: may });
    }
  }
});

const untilBackfilled = reads.filter((path) => path !== "/v1/users/user_1");
test.each(untilBackfilled)("has Clerk answer %s until the first backfill has finished", async (path) => {
  const { status, source, asOf, asked } = await get(`${path}?limit=3`, coldStart);
  expect([status, source, asOf]).toEqual([200, "upstream", null]);
  expect(asked).toContainEqual(["forward", "GET", `${path}?limit=3`]);
});

test("answers for a user that it knows even before the backfill has finished", async () => {
  const { source, asked } = await get("/v1/users/user_1", coldStart);
  expect([source, asked]).toEqual(["local", []]);
});

test.each(reads)(
  "has Clerk answer %s on X-Mirror-Read: upstream, and applies the answer first",
  async (path) => {
    const { source, asked, body } = await get(path, {}, {}, upstream);
    expect(source).toBe("upstream");
    expect(asked).toEqual([
      ["forward", "GET", path],
      ["apply", expect.any(String), 200],
    ]);
    expect(body).toEqual(PRIVATE_USER);
  },
);

test("validates parameters before it asks Clerk", async () => {
  const { status, body, asked } = await get("/v1/users?limit=0", coldStart);
  expect([status, asked]).toEqual([422, []]);
  expect(body).toMatchObject({
    errors: [{ code: "form_param_value_invalid", meta: { param_name: "limit" } }],
  });
});

test("says 404 of a user that was deleted, without asking Clerk", async () => {
  for (const path of ["/v1/users/user_gone", "/v1/users/user_gone/organization_memberships"]) {
    const { status, body, asked } = await get(path);
    expect([status, asked]).toEqual([404, []]);
    expect(body).toMatchObject({
      errors: [
        {
          code: "resource_not_found",
          message: "not found",
          long_message: "No user was found with id user_gone",
        },
      ],
    });
  }
});

test("asks Clerk for a user that it doesn't know, and answers what was stored", async () => {
  let stored = false;
  const { status, source, body } = await get("/v1/users/user_new", {
    users: {
      ...standInUsers().users,
      get: async (id) =>
        stored ? { kind: "live", body: Buffer.from(`{"id":"${id}"}`), etag: '"tag"' } : { kind: "unknown" },
    },
    readThrough: {
      async user(id) {
        stored = true;
        return { kind: "live", object: { id } };
      },
    },
  });
  expect([status, source, body]).toEqual([200, "upstream", { id: "user_new" }]);
});

test("says 404 of a user that Clerk doesn't know either", async () => {
  const { status, body } = await get("/v1/users/user_never");
  expect(status).toBe(404);
  expect(body.errors[0].long_message).toBe("No user was found with id user_never");
});

test("answers a user that Clerk has and the mirror can't store, without private metadata for those who may not read it", async () => {
  const readThrough = { user: async () => ({ kind: "live" as const, object: { ...PRIVATE_USER } }) };
  expect((await get("/v1/users/user_odd", { readThrough })).body).toEqual(PRIVATE_USER);
  const { body } = await get(
    "/v1/users/user_odd",
    { readThrough },
    { authenticate: principalWith("users:read") },
  );
  expect(body).toEqual({ ...PRIVATE_USER, private_metadata: null });
});

test("says 404 of a user that is deleted while Clerk is asked", async () => {
  let asked = false;
  const { status } = await get("/v1/users/user_new", {
    users: { ...standInUsers().users, get: async () => ({ kind: asked ? "gone" : "unknown" }) },
    readThrough: {
      async user(id) {
        asked = true;
        return { kind: "live", object: { id } };
      },
    },
  });
  expect(status).toBe(404);
});

const away: [AppError, number][] = [
  [new AppError("upstream_unavailable", "Clerk is away"), 502],
  [new AppError("upstream_timeout", "Clerk is slow"), 504],
  [new AppError("upstream_rejected", "CLERK_SECRET_KEY was refused"), 502],
];
test.each(away)("never says 404 of an unknown id while Clerk can't be asked (%s)", async (error, status) => {
  const readThrough = { user: () => Promise.reject(error) };
  expect((await get("/v1/users/user_new", { readThrough })).status).toBe(status);
});

test("has Clerk answer for the memberships of a user that it doesn't know", async () => {
  const path = "/v1/users/user_new/organization_memberships";
  const { source, asked } = await get(path);
  expect(source).toBe("upstream");
  expect(asked).toContainEqual(["forward", "GET", path]);
});

test("reads by HEAD what GET reads", async () => {
  const { app } = standInApp();
  const response = await app.request("/v1/users/user_1", { method: "HEAD", ...bearer(MIRROR_KEY) });
  expect([response.status, response.headers.get("x-mirror-source"), await response.text()]).toEqual([
    200,
    "local",
    "",
  ]);
});
