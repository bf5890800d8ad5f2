// Covers src/observability/, src/http/audit.ts

import { afterEach, expect } from "vitest";
import type { RunningServer } from "../../src/runtime/server.js";
import { type Sandbox, startSandbox } from "../../src/sandbox/server.js";
import { capturedLog } from "../support/captured-log.js";
import { test } from "../support/database.js";
import { startMirror, WEBHOOK_SECRET } from "../support/mirror.js";
import { deliver } from "../support/signed.js";

let sandbox: Sandbox;
let server: RunningServer;

afterEach(async () => {
  await server.stop();
  await sandbox.close();
});

/** In everything that is personal or secret, and nowhere else. */
const MARK = "plantedmark";
const PERSON = {
  first_name: `First${MARK}`,
  last_name: `Last${MARK}`,
  username: `name_${MARK}`,
  email_address: [`${MARK}@example.com`],
  phone_number: ["+15550107777"],
  web3_wallet: [`0x${"ab".repeat(20)}`],
  public_metadata: { note: MARK },
  private_metadata: { note: MARK },
  unsafe_metadata: { note: MARK },
};
const SECRETS = [MARK, "15550107777", "abababab", "um_test", "plantedpassword", WEBHOOK_SECRET.slice(6)];

async function send(path: string, init: RequestInit & { key?: string } = {}) {
  const { key = "um_test", headers, ...rest } = init;
  const response = await fetch(`${server.url}${path}`, {
    ...rest,
    headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json", ...(headers as object) },
  });
  const text = await response.text();
  return { status: response.status, requestId: response.headers.get("x-request-id"), text };
}

const json = (method: string, value: unknown): RequestInit => ({ method, body: JSON.stringify(value) });

test("no line of the log has a secret or anything personal, whatever happens and fails", async ({ db }) => {
  const { log, text } = capturedLog();
  sandbox = await startSandbox({ users: 5, organizations: 1 });
  const user = sandbox.clerk.createUser(PERSON);
  server = await startMirror({ sandbox, databaseUrl: db.url, log, env: { UPSTREAM_TIMEOUT: "300ms" } });
  const id = String(user.id);
  const errors: { status: number; requestId: string | null; text: string }[] = [];
  const fails = async (path: string, init?: RequestInit & { key?: string }) => {
    const answer = await send(path, init);
    expect(answer.status).toBeGreaterThanOrEqual(400);
    errors.push(answer);
  };

  // Reads and writes that go well.
  await send(`/v1/users?email_address=${MARK}@example.com&query=${MARK}`);
  await send("/mirror/users/query", json("POST", { filter: { "public_metadata.note": MARK } }));
  await send(`/mirror/users?filter=${encodeURIComponent(`userName eq "name_${MARK}"`)}`);
  await send("/mirror/users/lookup", json("POST", { by: "email_address", keys: [`${MARK}@example.com`] }));
  await send(`/v1/users/${id}`, json("PATCH", { last_name: `Other${MARK}` }));
  await send(
    "/v1/users",
    json("POST", {
      ...PERSON,
      email_address: [`second${MARK}@example.com`],
      username: `second_${MARK}`,
      phone_number: [],
      web3_wallet: [],
      password: "plantedpassword",
    }),
  );
  await send(`/v1/users/${id}/verify_password`, json("POST", { password: "plantedpassword" }));
  const made = JSON.parse(
    (await send("/mirror/keys", json("POST", { name: "made", scopes: ["users:read"] }))).text,
  ) as { key: string };
  await send(`/v1/users/${id}`, { key: made.key });
  await send(`/v1/users/${id}`, { key: sandbox.secretKey });

  // What callers do wrong.
  await fails(`/v1/users/${MARK}@example.com`);
  await fails(`/v1/users?limit=${MARK}`);
  await fails(`/mirror/users?filter=${encodeURIComponent(`userName eq "${MARK}`)}`);
  await fails("/mirror/users/query", json("POST", { filter: { [MARK]: MARK } }));
  await fails("/mirror/users/query", { method: "POST", body: `{"${MARK}` });
  await fails("/mirror/keys", json("POST", { name: MARK, scopes: [MARK] }));
  await fails(`/v1/users/${id}`, { key: `um_${MARK}` });
  await fails("/mirror/status", { key: made.key });
  await fails("/webhooks/clerk", {
    method: "POST",
    body: MARK,
    headers: { "svix-id": MARK, "svix-signature": MARK },
  });

  // What Clerk does wrong: refusals that quote, faults that quote, connections that are cut, no answer, no JSON.
  const quoting = {
    errors: [{ message: `${MARK}@example.com is taken`, long_message: MARK, code: "form_identifier_exists" }],
  };
  sandbox.faults.add({ match: "PATCH /v1/users/", times: 1, status: 422, body: quoting });
  await send(`/v1/users/${id}`, json("PATCH", { last_name: MARK }));
  sandbox.faults.add({ match: "GET /v1/users/user_unknown", times: 4, status: 500, body: quoting });
  await fails("/v1/users/user_unknown1");
  sandbox.faults.add({ match: "PATCH /v1/users/", times: 1, cut: "before" });
  await fails(`/v1/users/${id}`, json("PATCH", { last_name: MARK }));
  sandbox.faults.add({ match: "PATCH /v1/users/", times: 1, delayMs: 1000 });
  await fails(`/v1/users/${id}?note=${MARK}`, json("PATCH", { last_name: MARK }));
  sandbox.faults.add({ match: "PATCH /v1/users/", times: 1, status: 502, body: `<html>${MARK}</html>` });
  await fails(`/v1/users/${id}`, json("PATCH", { last_name: MARK }));
  sandbox.faults.add({
    match: "GET /v1/users/user_odd$",
    times: 2,
    status: 200,
    body: { ...user, id: "user_odd", created_at: MARK },
  });
  await send("/v1/users/user_odd");

  // Webhooks, good and bad, and what is done about those that can't be applied.
  const event = (data: unknown) => ({ type: "user.updated", object: "event", timestamp: Date.now(), data });
  await deliver(server.url, "msg_good", event({ ...user, updated_at: Number(user.updated_at) + 5 }));
  expect(await deliver(server.url, "msg_odd", event({ ...user, id, created_at: MARK }))).toBe(
    "dead_lettered",
  );
  expect(await deliver(server.url, "msg_text", `{"${MARK}`)).toBe("dead_lettered");
  await send("/mirror/dead-letters/msg_odd/replay", { method: "POST" });
  await send("/mirror/dead-letters/msg_text", { method: "DELETE" });

  // What Postgres does wrong: a constraint that quotes the row, and a statement that fails with its parameters.
  await db.sql`alter table mirror_data.users add constraint planted check (id <> ${db.sql.unsafe("'user_refused'")}) not valid`;
  const refused = { ...user, id: "user_refused", updated_at: Date.now() };
  await deliver(server.url, "msg_refused", event(refused)).catch(() => {});
  await db.sql`alter table mirror_data.users drop constraint planted`;
  await db.sql`alter table mirror_data.user_identifiers rename to hidden`;
  await fails(`/v1/users?email_address=${MARK}@example.com&order_by=-last_active_at`);
  await db.sql`alter table mirror_data.hidden rename to user_identifiers`;
  await server.mirror.leader.execute("full", { signal: AbortSignal.timeout(30_000) });

  const lines = text().split("\n").filter(Boolean);
  expect(lines.length).toBeGreaterThan(40);
  for (const line of lines)
    for (const secret of [...SECRETS, made.key, sandbox.secretKey])
      expect(line.toLowerCase()).not.toContain(secret.toLowerCase());

  // Each error of the mirror's own is found in the log by what its caller was told.
  const entries = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  for (const { status, requestId, text: body } of errors) {
    const { clerk_trace_id } = JSON.parse(body) as { clerk_trace_id?: string };
    expect(clerk_trace_id).toBe(requestId);
    expect(entries).toContainEqual(
      expect.objectContaining({ msg: "request", requestId: clerk_trace_id, status }),
    );
  }
  expect(entries.filter(({ msg }) => msg === "audit").length).toBeGreaterThan(8);
});
