// Covers src/http/request-observer.ts, src/observability/

import { Writable } from "node:stream";
import { expect, test } from "vitest";
import { createLogger } from "../../src/observability/logger.js";
import { bearer, MIRROR_KEY, type Overrides, standInApp } from "./stand-ins.js";

/** What one request leaves in the log, at the most talkative level. */
async function logOf(path: string, init: RequestInit = {}, overrides: Overrides = {}) {
  let text = "";
  const stream = new Writable({
    write(chunk, _, done) {
      text += chunk;
      done();
    },
  });
  const { app } = standInApp({
    log: createLogger({ level: "trace", format: "json" }, stream as never),
    ...overrides,
  });
  await app.request(path, init);
  const lines = text
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));
  return { text, lines };
}

test("logs one line per request, of known fields only", async () => {
  const { lines } = await logOf("/v1/users/user_2abc/organization_memberships", bearer(MIRROR_KEY));
  expect(lines).toHaveLength(1);
  const { time: _, ...entry } = lines[0];
  expect(entry).toEqual({
    level: 30,
    msg: "request",
    method: "GET",
    path: "/v1/users/{id}/organization_memberships",
    status: 200,
    ms: expect.any(Number),
    requestId: expect.any(String),
    key: "MIRROR_API_KEY",
  });
});

test("logs no header, query, body or key, and an id only where a change is audited, whatever comes of the request", async () => {
  const request = {
    method: "POST",
    headers: {
      Authorization: "Bearer confidential",
      Cookie: "confidential",
      "svix-id": "confidential",
      "svix-signature": "confidential",
    },
    body: '{"password":"confidential"}',
  };
  const known = { ...request, headers: { ...request.headers, ...bearer(MIRROR_KEY).headers } };
  const paths = [
    "/v1/users?email_address=confidential@example.com",
    "/v1/users/user_Confidential1/verify_password",
    "/v1/sk_live_Confidential1",
    "/v1/um_0confidential",
    "/webhooks/clerk?confidential",
    "/mirror/reconcile?confidential",
  ];
  for (const path of paths) {
    for (const init of [request, known]) {
      const { text, lines } = await logOf(path, init);
      expect(lines.length).toBeGreaterThan(0);
      const others = lines.map((line) => (line.msg === "audit" ? { ...line, ids: [] } : line));
      expect(JSON.stringify(others).toLowerCase()).not.toContain("confidential");
      expect(text).not.toContain(MIRROR_KEY);
    }
  }
});

test("logs a bug whole, but not the rows and parameters that Postgres and Drizzle put into errors", async () => {
  const cause = Object.assign(new Error("violates a constraint"), {
    code: "23502",
    detail: "Failing row contains (confidential)",
    parameters: ["confidential"],
  });
  const error = new Error("Failed query: insert into x\nparams: confidential,\nconfidential", { cause });
  const { parts } = standInApp();
  const users = { ...parts.users, users: { ...parts.users.users, count: () => Promise.reject(error) } };
  const { text, lines } = await logOf("/v1/users/count", bearer(MIRROR_KEY), { users });
  const bug = lines.find((line) => line.msg === "unexpected error");
  expect(bug.err).toMatchObject({
    message: "Failed query: insert into x",
    stack: expect.stringContaining("logs.test.ts"),
    cause: { code: "23502", message: "violates a constraint" },
  });
  expect(text).not.toContain("confidential");
});

test("logs no piece of the text that an error quotes", async () => {
  const quoting = [
    Object.assign(new Error('invalid input syntax for type bigint: "confidential"'), { code: "22P02" }),
    failureOf(() => JSON.parse("confidential")),
    failureOf(() => JSON.parse('{"private_metadata": confidential}')),
    failureOf(() => JSON.parse(`{"a":"${"x".repeat(50)}", confidential: "${"x".repeat(50)}"}`)),
  ];
  for (const error of quoting) {
    const { parts } = standInApp();
    const users = { ...parts.users, users: { ...parts.users.users, count: () => Promise.reject(error) } };
    const { text } = await logOf("/v1/users/count", bearer(MIRROR_KEY), { users });
    expect(text).toContain("unexpected error");
    expect(text).not.toContain("confid");
  }
});

function failureOf(act: () => unknown): unknown {
  try {
    return act();
  } catch (error) {
    return error;
  }
}
