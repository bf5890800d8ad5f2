// Covers src/observability/audit.ts

import { expect, test } from "vitest";
import type { Principal } from "../../src/auth/keys.js";
import { SCOPES } from "../../src/auth/scopes.js";
import { AppError } from "../../src/lib/errors.js";
import { LOG_LEVELS } from "../../src/observability/logger.js";
import { capturedLog } from "../support/captured-log.js";
import { type Overrides, standInApp } from "./stand-ins.js";

const principal: Principal = { name: "deploys", id: "key_1a2b", scopes: new Set(SCOPES) };

/** The audit lines that requests leave, by a key with every scope. */
async function auditOf(
  requests: [method: string, path: string, body?: unknown][],
  overrides: Overrides = {},
  level = "trace",
) {
  const { log, text } = capturedLog(level);
  const { app } = standInApp({ log, authenticate: () => principal, ...overrides });
  for (const [method, path, body] of requests) {
    const init = { method, headers: { Authorization: "Bearer any", "X-Request-Id": "mine-1" } };
    await app.request(path, body === undefined ? init : { ...init, body: JSON.stringify(body) });
  }
  const lines = text()
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  return lines.filter(({ msg }) => msg === "audit").map(({ time, level, msg, ...entry }) => entry);
}

test("says who changed what, about whom, how it ended, and under which id the rest of the log has it", async () => {
  expect(
    await auditOf([["PATCH", "/v1/users/user_1/metadata", { public_metadata: { plan: "pro" } }]]),
  ).toEqual([
    {
      ...{ key: "deploys", keyId: "key_1a2b", action: "PATCH /v1/users/{id}/metadata", ids: ["user_1"] },
      ...{ status: 200, outcome: "done", requestId: "mine-1" },
    },
  ]);
});

test.each<[string, string, unknown, string, string[]]>([
  ["POST", "/v1/users/user_1/ban", undefined, "POST /v1/users/{id}/ban", ["user_1"]],
  ["DELETE", "/v1/users/user_1", undefined, "DELETE /v1/users/{id}", ["user_1"]],
  [
    "DELETE",
    "/v1/organizations/org_1/memberships/user_1",
    undefined,
    "DELETE /v1/organizations/{id}/memberships/{id}",
    ["org_1", "user_1"],
  ],
  ["POST", "/v1/users", { first_name: "New" }, "POST /v1/users", ["user_1"]],
  [
    "POST",
    "/v1/users/user_1/verify_password",
    { password: "x" },
    "POST /v1/users/{id}/verify_password",
    ["user_1"],
  ],
  ["POST", "/mirror/reconcile", { mode: "full" }, "POST /mirror/reconcile", ["run_1"]],
  [
    "POST",
    "/mirror/dead-letters/walk%3Auser_1/replay",
    undefined,
    "POST /mirror/dead-letters/{id}/replay",
    ["walk:user_1"],
  ],
  [
    "DELETE",
    "/mirror/dead-letters/walk%3Auser_1",
    undefined,
    "DELETE /mirror/dead-letters/{id}",
    ["walk:user_1"],
  ],
])("%s %s is told as what it is", async (method, path, body, action, ids) => {
  const [entry, ...others] = await auditOf([[method, path, body]]);
  expect(others).toEqual([]);
  expect(entry).toMatchObject({ action, ids, outcome: "done" });
});

test("tells of each user whom a list of ids in the body changed", async () => {
  const clerkAnswers = () => ({ status: 200, body: [{ id: "user_1" }, { id: "user_2" }, { id: 7 }, null] });
  expect(
    await auditOf([["POST", "/v1/users/ban", { user_ids: ["user_1", "user_2"] }]], { clerkAnswers }),
  ).toMatchObject([{ ids: ["user_1", "user_2"] }]);
});

test("tells keys that were made and revoked", async () => {
  const lines = await auditOf([
    ["POST", "/mirror/keys", { name: "app", scopes: ["users:read"] }],
    ["DELETE", "/mirror/keys/key_2"],
  ]);
  expect(lines).toMatchObject([
    { action: "POST /mirror/keys" },
    { action: "DELETE /mirror/keys/{id}", ids: ["key_2"] },
  ]);
});

test.each<[string, Overrides, Record<string, unknown>]>([
  [
    "refused for its scope",
    { authenticate: () => ({ ...principal, scopes: new Set(["users:read"]) }) as Principal },
    { status: 403, outcome: "refused" },
  ],
  [
    "refused by Clerk",
    { clerkAnswers: () => ({ status: 422, body: { errors: [] } }) },
    { status: 422, outcome: "refused" },
  ],
  [
    "failed",
    { clerkAnswers: () => ({ status: 500, body: { errors: [] } }) },
    { status: 500, outcome: "failed" },
  ],
  [
    "unanswered",
    {
      clerkAnswers: () => {
        throw new AppError("upstream_timeout", "no answer");
      },
    },
    { status: 504, outcome: "unknown" },
  ],
])("a change that was %s is told too", async (_, overrides, expected) => {
  expect(await auditOf([["DELETE", "/v1/users/user_1"]], overrides)).toMatchObject([
    { action: "DELETE /v1/users/{id}", ids: ["user_1"], ...expected },
  ]);
});

test("a key of the environment goes by the name of its variable", async () => {
  const authenticate = () => ({ name: "MIRROR_API_KEY", scopes: principal.scopes });
  const [entry] = await auditOf([["DELETE", "/v1/users/user_1"]], { authenticate });
  expect(entry).toMatchObject({ key: "MIRROR_API_KEY" });
  expect(entry).not.toHaveProperty("keyId");
});

test("questions leave no such line, nor does a request without a key", async () => {
  const questions: [string, string, unknown?][] = [
    ["GET", "/v1/users/user_1"],
    ["HEAD", "/v1/users"],
    ["GET", "/mirror/status"],
    ["POST", "/mirror/users/query", {}],
    ["POST", "/mirror/users/lookup", { by: "id", keys: [] }],
    ["POST", "/mirror/users/aggregate", {}],
    ["POST", "/mirror/users/retention", { cohort: "week", periods: 1 }],
  ];
  expect(await auditOf(questions)).toEqual([]);
  const authenticate = () => {
    throw new AppError("unauthenticated", "unknown");
  };
  expect(await auditOf([["DELETE", "/v1/users/user_1"]], { authenticate })).toEqual([]);
});

test.each(["sk_live_abcdefghij", "um_0123456789", "jane@example.com", "whsec_abc", "user_1%20or%201"])(
  "what stands where an id does and isn't one isn't told: %s",
  async (piece) => {
    expect(await auditOf([["DELETE", `/v1/users/${piece}`]])).toMatchObject([{ ids: [] }]);
  },
);

test.each(LOG_LEVELS)(
  "LOG_LEVEL=%s leaves them their level, and takes them away only if it is silent",
  async (level) => {
    const change: [string, string][] = [["DELETE", "/v1/users/user_1"]];
    expect(await auditOf(change, {}, level)).toHaveLength(level === "silent" ? 0 : 1);
  },
);
