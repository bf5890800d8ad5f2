import { createClerkClient } from "@clerk/backend";
import { Hono } from "hono";
import { Webhook } from "svix";
import { afterEach, expect } from "vitest";
import { noCache } from "../../src/cache/user-cache.js";
import { unwatched } from "../../src/db/connection/availability.js";
import { connect, type Database } from "../../src/db/connection/client.js";
import { createCommitPositions } from "../../src/db/connection/commit-position.js";
import { createApp } from "../../src/http/app.js";
import { listen } from "../../src/http/server.js";
import { createWebhookReceiver } from "../../src/http/webhook-receiver.js";
import { silentLogger } from "../../src/observability/logger.js";
import { createMembershipQueries } from "../../src/query/memberships.js";
import { createUserQueries } from "../../src/query/users.js";
import { createReadThrough } from "../../src/sync/answers/read-through.js";
import { createRefetcher } from "../../src/sync/answers/refetcher.js";
import { createUnapplied } from "../../src/sync/answers/unapplied.js";
import { createWriteThrough } from "../../src/sync/answers/write-through.js";
import { createIngest } from "../../src/sync/webhooks/ingest.js";
import { createUpstream } from "../../src/upstream/client.js";
import { createForwarder } from "../../src/upstream/forward.js";
import { createLocalQuotaStore, createRequestQueue } from "../../src/upstream/request-queue.js";
import { createClerkApi } from "../../src/upstream/users.js";
import { clerkUser } from "../support/clerk-user.js";
import { test } from "../support/database.js";
import { bearer, MIRROR_KEY, principalWith, SECRET_KEY, standInApp, WEBHOOK_SECRET } from "./stand-ins.js";

const LOOPBACK = { host: "127.0.0.1", port: 0 };
const UPSTREAM_KEY = "sk_test_upstream";
const LIMITED_KEY = "um_limited";
const NOW_MS = 1_700_000_000_000;

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** As much of Clerk as these tests need: users by id, created, changed and deleted. */
async function startClerk() {
  const users = new Map<string, ReturnType<typeof clerkUser>>();
  const requests: { method: string; path: string; type: string | null; key: string | null; body: Buffer }[] =
    [];
  const app = new Hono()
    .use(async (c, next) => {
      const body = Buffer.from(await c.req.arrayBuffer());
      requests.push({
        method: c.req.method,
        path: c.req.path,
        type: c.req.header("content-type") ?? null,
        key: c.req.header("authorization") ?? null,
        body,
      });
      await next();
    })
    .post("/v1/users", async (c) => {
      const fields = await c.req.json();
      const user = clerkUser({
        id: `user_${users.size + 1}`,
        updated_at: NOW_MS,
        created_at: NOW_MS,
        ...fields,
      });
      users.set(user.id, user);
      return c.json(user);
    })
    .get("/v1/users/:id", (c) => {
      const user = users.get(c.req.param("id"));
      const none = { errors: [{ code: "resource_not_found", message: "not found", long_message: "none" }] };
      return user ? c.json(user) : c.json(none, 404);
    })
    .patch("/v1/users/:id", async (c) => {
      const user = { ...users.get(c.req.param("id"))!, ...(await c.req.json()) };
      users.set(user.id, user);
      return c.json(user);
    })
    .post("/v1/users/:id/profile_image", (c) => {
      const user = { ...users.get(c.req.param("id"))!, has_image: true, updated_at: NOW_MS + 1 };
      users.set(user.id, user);
      return c.json(user);
    })
    .delete("/v1/users/:id/mfa", (c) => {
      const id = c.req.param("id");
      users.set(id, { ...users.get(id)!, two_factor_enabled: false, updated_at: NOW_MS + 2 });
      return c.json({ user_id: id });
    })
    .delete("/v1/users/:id", (c) => {
      const id = c.req.param("id");
      users.delete(id);
      return c.json({ object: "user", id, deleted: true });
    });
  const server = await listen(app as never, LOOPBACK);
  cleanups.push(() => server.drain(1000));
  return { url: server.url, users, requests };
}

/** A mirror of real parts that believes itself complete, and Clerk's SDK in front of it. */
async function startMirror(database: Database) {
  const clerk = await startClerk();
  const { sql } = database.primary;
  const clock = { now: () => NOW_MS };
  const log = silentLogger();
  const upstream = createUpstream({
    apiUrl: clerk.url,
    secretKey: UPSTREAM_KEY,
    apiVersion: "2026-05-12",
    timeoutMs: 5000,
    queue: createRequestQueue(createLocalQuotaStore({ limit: 1000, backgroundShare: 0.5 })),
    now: clock.now,
    log,
  });
  const api = createClerkApi(upstream);
  const positions = createCommitPositions(sql, unwatched);
  const shared = { sql, availability: unwatched, positions, clock, api, log, lagMs: 60_000 };
  const unapplied = createUnapplied(log);
  const refetcher = createRefetcher(shared);
  const { authenticate } = standInApp().parts;
  const limited = principalWith("users:read", "users:write");
  const app = createApp({
    ...standInApp().parts,
    authenticate: (header) => (header === `Bearer ${LIMITED_KEY}` ? limited() : authenticate(header)),
    positions,
    webhooks: createWebhookReceiver({
      secrets: [WEBHOOK_SECRET],
      ingest: createIngest({ ...shared, instanceId: "ins_1" }),
    }),
    users: {
      users: createUserQueries(database.readers, {
        nowMs: clock.now,
        availability: unwatched,
        cache: noCache,
      }),
      memberships: createMembershipQueries(database.readers, { availability: unwatched, lagMs: 0 }),
      readThrough: createReadThrough(shared),
      completeness: { isBackfilled: () => true, asOfMs: () => null, membershipsAsOfMs: () => null },
      unapplied,
    },
    clerk: {
      forward: createForwarder(upstream),
      writeThrough: createWriteThrough({ ...shared, unapplied, refetcher }),
    },
  });
  const server = await listen(app, LOOPBACK);
  cleanups.push(() => server.drain(1000));
  const sdk = createClerkClient({ secretKey: SECRET_KEY, apiUrl: server.url });
  return { url: server.url, sdk, clerk };
}

function webhook(event: object, id = "msg_1"): RequestInit {
  const body = JSON.stringify(event);
  const at = new Date();
  return {
    method: "POST",
    body,
    headers: {
      "svix-id": id,
      "svix-timestamp": String(Math.floor(at.getTime() / 1000)),
      "svix-signature": new Webhook(WEBHOOK_SECRET).sign(id, at, body),
    },
  };
}

const created = (user: object, envelope = {}) => ({
  type: "user.created",
  object: "event",
  timestamp: NOW_MS,
  instance_id: "ins_1",
  data: user,
  ...envelope,
});

test("what a webhook says is readable through the SDK when its 200 arrives", async ({ db }) => {
  const { url, sdk } = await startMirror(db.database);
  const send = async () =>
    (await fetch(`${url}/webhooks/clerk`, webhook(created(clerkUser({ id: "user_a" }))))).json();
  expect(await send()).toEqual({ status: "applied" });
  expect((await sdk.users.getUser("user_a")).emailAddresses[0]?.emailAddress).toBe("user_a@example.com");
  expect(await send()).toEqual({ status: "duplicate" });
});

test("a signed webhook that is unusable is kept; another instance's is refused", async ({ db }) => {
  const { url } = await startMirror(db.database);
  const kept = await fetch(`${url}/webhooks/clerk`, webhook({ type: "user.created", data: null }));
  expect([kept.status, await kept.json()]).toEqual([200, { status: "dead_lettered" }]);
  const other = created(clerkUser({ id: "user_a" }), { instance_id: "ins_2" });
  expect((await fetch(`${url}/webhooks/clerk`, webhook(other, "msg_2"))).status).toBe(400);
});

test("reads its own writes: created, given an image, disarmed and deleted through the SDK", async ({
  db,
}) => {
  const { sdk, clerk } = await startMirror(db.database);
  const { id } = await sdk.users.createUser({ firstName: "Zoë" });
  const listed = await sdk.users.getUserList({ query: "zoë" });
  expect([listed.totalCount, listed.data[0]?.id]).toEqual([1, id]);

  const image = Buffer.from("\u0000 bytes as they are \xff", "latin1");
  await sdk.users.updateUserProfileImage(id, { file: new Blob([image], { type: "image/png" }) });
  const upload = clerk.requests.at(-1);
  expect(upload?.type).toMatch(/^multipart\/form-data; boundary=/);
  expect(upload?.body.includes(image)).toBe(true);
  expect((await sdk.users.getUser(id)).hasImage).toBe(true);

  await sdk.users.disableUserMFA(id);
  expect((await sdk.users.getUser(id)).updatedAt).toBe(NOW_MS + 2);

  await sdk.users.deleteUser(id);
  await expect(sdk.users.getUser(id)).rejects.toMatchObject({ status: 404, clerkError: true });
  expect((await sdk.users.getUserList()).totalCount).toBe(0);
});

test("promises nothing of a write whose answer can't be stored, keeps the answer, and asks about the user", async ({
  db,
}) => {
  const { sdk, url, clerk } = await startMirror(db.database);
  await sdk.users.createUser({ firstName: "Zoë" });
  const answerTo = (method: string, path: string, body?: object) => {
    const headers = { ...bearer(MIRROR_KEY).headers, "content-type": "application/json" };
    return fetch(url + path, { method, headers, ...(body && { body: JSON.stringify(body) }) });
  };
  const versionAfter = async (method: string, path: string, body?: object) =>
    (await answerTo(method, path, body)).headers.get("x-mirror-version");
  const letters = () => db.sql`select id, user_id, attempts from mirror_data.dead_letters`;
  expect(await versionAfter("PATCH", "/v1/users/user_1", { updated_at: NOW_MS + 1 })).not.toBeNull();

  expect(await versionAfter("PATCH", "/v1/users/user_1", { updated_at: "later" })).toBeNull();
  expect(await letters()).toMatchObject([{ id: "walk:user_1", user_id: "user_1", attempts: 1 }]);
  expect(await db.sql`select id, reason from mirror_data.refetches`).toMatchObject([
    { id: "user_1", reason: "write_in_doubt" },
  ]);

  // Answers with the id alone: the user is fetched, and can't be stored either.
  clerk.users.set("user_1", { ...clerk.users.get("user_1")!, created_at: "once" as never });
  expect(await versionAfter("DELETE", "/v1/users/user_1/mfa")).toBeNull();
  expect(await letters()).toMatchObject([{ id: "walk:user_1", attempts: 2 }]);
});

test("asks Clerk once, under the mirror's own key, for a user that many ask for at the same time", async ({
  db,
}) => {
  const { sdk, clerk } = await startMirror(db.database);
  clerk.users.set("user_new", clerkUser({ id: "user_new" }));
  const answers = await Promise.all(Array.from({ length: 20 }, () => sdk.users.getUser("user_new")));
  expect(new Set(answers.map(({ id }) => id))).toEqual(new Set(["user_new"]));
  expect(clerk.requests).toMatchObject([{ path: "/v1/users/user_new", key: `Bearer ${UPSTREAM_KEY}` }]);
});

test("private metadata reaches only keys that may read it, from Postgres, from Clerk and in answers to writes", async ({
  db,
}) => {
  const { sdk, url, clerk } = await startMirror(db.database);
  await sdk.users.createUser({ privateMetadata: { plan: "pro" } });
  const requests: [path: string, init: RequestInit][] = [
    ["/v1/users/user_1", {}],
    ["/v1/users", {}],
    ["/v1/users/user_1", { headers: { "X-Mirror-Read": "upstream" } }],
    ["/v1/users/user_1/profile_image", { method: "POST", body: "image" }],
  ];
  for (const [path, init] of requests) {
    const answerTo = async (key: string) => {
      const headers = { ...init.headers, ...bearer(key).headers };
      return [await (await fetch(url + path, { ...init, headers })).json()].flat()[0];
    };
    expect(await answerTo(MIRROR_KEY)).toMatchObject({ id: "user_1", private_metadata: { plan: "pro" } });
    expect(await answerTo(LIMITED_KEY)).toMatchObject({ id: "user_1", private_metadata: null });
  }
  expect(clerk.users.get("user_1")).toMatchObject({ private_metadata: { plan: "pro" } });
});

test("a parameter that Clerk would refuse is refused with its name", async ({ db }) => {
  const { sdk } = await startMirror(db.database);
  await expect(sdk.users.getUserList({ orderBy: "shoe_size" as never })).rejects.toMatchObject({
    status: 422,
    errors: [{ code: "form_param_value_invalid", meta: { paramName: "order_by" } }],
  });
});

test("a cursor that no user can be is refused with its name", async ({ db }) => {
  const { url } = await startMirror(db.database);
  for (const id of ["user_none", "a%00b", "%ED%A0%80", "x".repeat(5000)]) {
    const answer = await fetch(`${url}/v1/users?starting_after=${id}`, bearer(MIRROR_KEY));
    expect([id, answer.status, await answer.json()]).toMatchObject([
      id,
      422,
      { errors: [{ code: "form_resource_not_found", meta: { param_name: "starting_after" } }] },
    ]);
  }
});

test("without its database a mirror refuses what is forged, and asks for the rest to be sent again", async () => {
  const away = connect({ url: "postgres://mirror@127.0.0.1:1/mirror" });
  cleanups.push(() => away.close());
  const { url, sdk } = await startMirror(away);
  const genuine = await fetch(`${url}/webhooks/clerk`, webhook(created(clerkUser({ id: "user_a" }))));
  expect([genuine.status, genuine.headers.get("retry-after")]).toEqual([503, "1"]);
  const forged = { ...webhook(created(clerkUser({ id: "user_a" }))), body: "{}" };
  expect((await fetch(`${url}/webhooks/clerk`, forged)).status).toBe(400);
  await expect(sdk.users.getCount()).rejects.toMatchObject({ status: 503, retryAfter: 1 });
});
