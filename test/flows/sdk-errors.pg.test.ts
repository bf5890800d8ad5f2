// Covers src/http/errors.ts, src/upstream/errors.ts

import { createClerkClient } from "@clerk/backend";
import { isClerkAPIResponseError } from "@clerk/backend/errors";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { RunningServer } from "../../src/runtime/server.js";
import { type Sandbox, startSandbox } from "../../src/sandbox/server.js";
import { freshDatabase, type OwnDatabase } from "../support/database.js";
import { startMirror } from "../support/mirror.js";

let sandbox: Sandbox;
let database: OwnDatabase;
let server: RunningServer;
let sdk: ReturnType<typeof createClerkClient>;
let userId: string;

beforeAll(async () => {
  sandbox = await startSandbox({ users: 20 });
  database = await freshDatabase();
  const env = { UPSTREAM_TIMEOUT: "400ms" };
  server = await startMirror({ sandbox, databaseUrl: database.url, env });
  sdk = createClerkClient({ secretKey: sandbox.secretKey, apiUrl: server.url });
  userId = String(sandbox.clerk.users()[0]?.id);
});

afterEach(() => sandbox.faults.clear());

afterAll(async () => {
  await server.stop();
  await sandbox.close();
  await database.drop();
});

/** What the SDK throws, with what a program can read from it. */
async function refusal(call: () => Promise<unknown>) {
  const error = await call().then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (!isClerkAPIResponseError(error)) throw error ?? new Error("it was not refused");
  const { status, errors, clerkTraceId, retryAfter } = error;
  return { status, errors, clerkTraceId, retryAfter };
}

const rename = () => sdk.users.updateUser(userId, { firstName: "Renamed" });
const sentTo = (path: string) =>
  sandbox.requests.filter((request) => request.path === path && request.method === "PATCH").length;

const REFUSALS = [
  [400, "request_body_invalid"],
  [401, "clerk_key_invalid"],
  [402, "unsupported_subscription_plan_features"],
  [403, "feature_not_enabled"],
  [404, "resource_not_found"],
  [409, "resource_locked"],
  [410, "operation_deprecated"],
  [413, "image_too_large"],
  [422, "form_param_format_invalid"],
  [500, "internal_clerk_error"],
  [503, "service_unavailable"],
] as const;

describe("an error of Clerk's", () => {
  test.each(REFUSALS)(
    "with status %d arrives as the SDK's own, with code, meta and trace id",
    async (status, code) => {
      const meta = { param_name: "first_name" };
      const body = {
        errors: [{ message: "short", long_message: "The long message.", code, meta }],
        clerk_trace_id: "trace_of_clerk",
      };
      sandbox.faults.add({ match: "^PATCH /v1/users/", times: 1, status, body });
      expect(await refusal(rename)).toMatchObject({
        status,
        clerkTraceId: "trace_of_clerk",
        errors: [
          { code, message: "short", longMessage: "The long message.", meta: { paramName: "first_name" } },
        ],
      });
    },
  );

  test("with status 429 says when to try again, and goes to Clerk once", async () => {
    sandbox.faults.add({ match: "^PATCH /v1/users/", times: 1, status: 429, retryAfter: 1 });
    const before = sentTo(`/v1/users/${userId}`);
    expect(await refusal(rename)).toMatchObject({
      status: 429,
      retryAfter: 1,
      errors: [{ code: "too_many_requests" }],
    });
    expect(sentTo(`/v1/users/${userId}`) - before).toBe(1);
  });

  test.each([
    [429, "too_many_requests"],
    [502, "bad_gateway"],
    [503, "service_unavailable"],
  ])("that isn't JSON, with status %d, gets a body that the SDK can read", async (status, code) => {
    const body = "<html>a proxy's page</html>";
    sandbox.faults.add({ match: "^PATCH /v1/users/", times: 1, status, retryAfter: 1, body });
    expect(await refusal(rename)).toMatchObject({ status, retryAfter: 1, errors: [{ code }] });
  });
});

describe("no answer of Clerk's", () => {
  test("in time is a 504; the request went out once, and what it may have done is found out", async () => {
    sandbox.faults.add({ match: "^PATCH /v1/users/", times: 1, delayMs: 1000 });
    const before = sentTo(`/v1/users/${userId}`);
    expect(await refusal(rename)).toMatchObject({ status: 504, errors: [{ code: "gateway_timeout" }] });
    await expect.poll(() => sandbox.clerk.user(userId)?.first_name, { timeout: 5000 }).toBe("Renamed");
    await expect
      .poll(async () => (await sdk.users.getUser(userId)).firstName, { timeout: 5000 })
      .toBe("Renamed");
    expect(sentTo(`/v1/users/${userId}`) - before).toBe(1);
  });

  test.each(["before", "after"] as const)(
    "because the connection is cut %s it acted is a 502, sent once",
    async (cut) => {
      sandbox.faults.add({ match: "^PATCH /v1/users/", times: 1, cut });
      const before = sentTo(`/v1/users/${userId}`);
      expect(await refusal(rename)).toMatchObject({ status: 502, errors: [{ code: "bad_gateway" }] });
      expect(sentTo(`/v1/users/${userId}`) - before).toBe(1);
    },
  );

  test("leaves local reads as they are, and never makes an unknown user a 404", async () => {
    sandbox.faults.add({ cut: "before" });
    expect((await sdk.users.getUser(userId)).id).toBe(userId);
    expect(await sdk.users.getCount()).toBe(20);
    expect((await refusal(() => sdk.users.getUser("user_unheard_of"))).status).toBe(502);
    sandbox.faults.clear();
    sandbox.faults.add({ match: "/v1/users/user_unheard_of$", status: 503 });
    expect((await refusal(() => sdk.users.getUser("user_unheard_of"))).status).toBe(502);
    sandbox.faults.clear();
    expect((await refusal(() => sdk.users.getUser("user_unheard_of"))).status).toBe(404);
  });
});

describe("an error of the mirror's own", () => {
  const mirror = (secretKey: string) => createClerkClient({ secretKey, apiUrl: server.url });

  test("is the SDK's error object too", async () => {
    expect(await refusal(() => mirror("sk_test_wrong").users.getCount())).toMatchObject({
      status: 401,
      errors: [{ code: "clerk_key_invalid" }],
      clerkTraceId: expect.stringMatching(/.+/),
    });
    expect(await refusal(() => sdk.users.getUserList({ limit: 501 }))).toMatchObject({
      status: 422,
      errors: [{ code: "form_param_value_invalid", meta: { paramName: "limit" } }],
    });
  });
});
