// Covers src/lib/field-policy/, src/upstream/kept-fields.ts, src/sync/webhooks/event-policy.ts

import { createHmac } from "node:crypto";
import { afterEach, beforeEach, describe, expect } from "vitest";
import type { RunningServer } from "../../src/runtime/server.js";
import { type Sandbox, startSandbox } from "../../src/sandbox/server.js";
import { cli } from "../support/cli.js";
import { type TestDatabase, test } from "../support/database.js";
import { dumpOf } from "../support/dump.js";
import { startMirror } from "../support/mirror.js";
import { deliver } from "../support/signed.js";

/** In every value that the policy drops or hashes, and nowhere else. */
const MARK = "zqsecret";
const KEY = "a-key-of-the-tests-alone";
const POLICY = `
  drop first_name, hash username, hash email_addresses.email_address; drop phone_numbers
  drop public_metadata."a.b".c, drop private_metadata, hash unsafe_metadata.token
  drop organization.private_metadata, hash organization.name, drop organization.slug, drop membership.public_metadata.note, drop **.ip_address`;
const env = { FIELD_POLICY: POLICY, FIELD_POLICY_KEY: KEY };

let sandbox: Sandbox;
let server: RunningServer;
let people = 0;

beforeEach(async () => {
  people = 0;
  sandbox = await startSandbox({ users: 0, retryScheduleMs: [5, 5, 50] });
});

afterEach(async () => {
  await server?.stop();
  await sandbox.close();
});

const hashed = (text: string) => `hash_${createHmac("sha256", KEY).update(text).digest("hex").slice(0, 32)}`;
const addressOf = (n: number) => `${MARK}.${n}@example.com`;

/** What Clerk is told of somebody. */
const marked = (n = ++people) => ({
  first_name: `${MARK} ${n}`,
  last_name: `Kept ${n}`,
  username: `${MARK}_${n}`,
  email_address: [addressOf(n)],
  phone_number: [`+1555555${String(1000 + n)}`],
  public_metadata: { plan: "pro", "a.b": { c: MARK, d: n }, devices: [{ ip_address: MARK, name: "phone" }] },
  private_metadata: { note: MARK },
  unsafe_metadata: { token: MARK, theme: "dark" },
});

/** An organization and a membership with marks. */
async function organize(userId: string) {
  const { clerk } = sandbox;
  const organization = clerk.createOrganization({
    name: `Acme ${MARK}`,
    created_by: userId,
    private_metadata: { note: MARK },
  });
  await fetch(`${sandbox.url}/v1/organizations/${organization.id}/memberships/${userId}/metadata`, {
    method: "PATCH",
    headers: { authorization: `Bearer ${sandbox.secretKey}`, "content-type": "application/json" },
    body: JSON.stringify({ public_metadata: { note: MARK, since: 2020 } }),
  });
  return organization;
}

const request = async (path: string, init: RequestInit = {}) => {
  const headers = { authorization: `Bearer ${sandbox.secretKey}`, "content-type": "application/json" };
  const response = await fetch(`${server.url}${path}`, { ...init, headers });
  return { status: response.status, body: (await response.json()) as never };
};
const send = (method: string, path: string, body: object) =>
  request(path, { method, body: JSON.stringify(body) });
const stored = (id: string) => request(`/v1/users/${id}`).then(({ body }) => body as Record<string, unknown>);
const event = (type: string, data: object, more = {}) => ({
  type,
  object: "event",
  timestamp: Date.now(),
  data,
  ...more,
});

async function expectNothingMarked(db: TestDatabase): Promise<void> {
  const found = (await dumpOf(db.sql)).filter(({ text }) => /zqsecret|\+1555555\d{4}/i.test(text));
  expect(found).toEqual([]);
}

const asKept = (n: number) => ({
  first_name: null,
  last_name: `Kept ${n}`,
  username: hashed(`${MARK}_${n}`),
  email_addresses: [expect.objectContaining({ email_address: hashed(addressOf(n)) })],
  phone_numbers: [],
  public_metadata: { plan: "pro", "a.b": { d: n }, devices: [{ name: "phone" }] },
  private_metadata: {},
  unsafe_metadata: { token: hashed(MARK), theme: "dark" },
});

describe("FIELD_POLICY", { timeout: 120_000 }, () => {
  test("keeps out what it names by every way in, dead letters included, and the rest is exact", async ({
    db,
  }) => {
    const { clerk } = sandbox;
    // By pages.
    const byPage = clerk.createUser(marked());
    await organize(byPage.id);
    server = await startMirror({ sandbox, databaseUrl: db.url, env });
    expect(await stored(byPage.id)).toMatchObject(asKept(1));

    // By webhooks: the user, what has it inside, organizations, memberships.
    const byWebhook = clerk.createUser(marked());
    clerk.updateUser(byWebhook.id, { last_name: "Kept 2" });
    clerk.signIn(byWebhook.id);
    const organization = await organize(byWebhook.id);
    clerk.updateOrganization(organization.id, { name: `Other ${MARK}` });
    await sandbox.webhooks.settle();
    expect(await stored(byWebhook.id)).toMatchObject(asKept(2));

    // By answers to writes, which their caller gets as Clerk gave them.
    const written = await send("POST", "/v1/users", marked());
    expect(written).toMatchObject({ status: 200, body: { first_name: `${MARK} 3`, username: `${MARK}_3` } });
    const byAnswer = (written.body as { id: string }).id;
    expect(await stored(byAnswer)).toMatchObject(asKept(3));
    await send("PATCH", `/v1/users/${byAnswer}/metadata`, {
      public_metadata: { again: 1, "a.b": { c: `${MARK}!` } },
    });
    await send("POST", "/v1/organizations", {
      name: `Third ${MARK}`,
      created_by: byAnswer,
      private_metadata: { note: MARK },
    });
    await request("/v1/users?limit=100", { headers: { "x-mirror-read": "upstream" } as never });

    // By a read of somebody whom no webhook told of, and by a question to Clerk.
    sandbox.webhooks.faults.drop = 2;
    const [byRead, byQuestion] = [clerk.createUser(marked()), clerk.createUser(marked())];
    await sandbox.webhooks.settle();
    expect(await stored(byRead.id)).toMatchObject(asKept(4));
    await server.mirror.refetcher.user(byQuestion.id, "refetch");
    expect(await stored(byQuestion.id)).toMatchObject(asKept(5));

    // What can't be applied: for its content, its encoding, its type, and torn bytes.
    const user = clerk.user(byPage.id) as object;
    const attributes = { event_attributes: { http_request: { client_ip: MARK } } };
    const letters = [
      event("user.updated", { ...user, created_at: "never" }, attributes),
      event("session.created", { user_id: 5, user }),
      event("organization.updated", { id: "org_1", name: MARK }),
      event("organizationMembership.created", {
        id: "orgmem_1",
        public_user_data: { user_id: byPage.id, identifier: addressOf(1) },
      }),
      JSON.stringify(event("user.updated", user)).slice(0, -1),
      { data: user },
    ];
    for (const [n, letter] of letters.entries()) {
      expect(await deliver(server.url, `msg_${n}`, letter)).toBe("dead_lettered");
    }
    const bytes = Buffer.from(
      JSON.stringify(event("user.updated", user)).replace(`Kept 1`, "Kept \u00ff"),
      "latin1",
    );
    expect(await deliver(server.url, "msg_latin", bytes)).toBe("dead_lettered");
    expect(await deliver(server.url, "msg_other", event("email.created", { body: MARK }))).toBe("ignored");
    const shown = await cli(db.url, ["dead-letters", "show", "msg_0", "--private"], env);
    expect(JSON.parse(shown.value.payload)).toMatchObject({
      type: "user.updated",
      data: { ...asKept(1), created_at: "never" },
    });
    await server.mirror.refetcher.drain();
    await expectNothingMarked(db);
    expect(await cli(db.url, ["dead-letters", "replay", "msg_0"], env)).toMatchObject({ code: 1 });
    await expectNothingMarked(db);

    // Nothing differs from Clerk, in the mirror's eyes: both sides are looked at under the policy.
    const run = await cli(db.url, ["drift", "--full"], {
      ...env,
      ...{ CLERK_SECRET_KEY: sandbox.secretKey, CLERK_API_URL: sandbox.url, UPSTREAM_LAG: "500ms" },
    });
    expect(run.value).toMatchObject({
      state: "succeeded",
      differences: { missed_create: 0, missed_update: 0, missed_delete: 0 },
    });
    expect((await request("/v1/users/count")).body).toMatchObject({ total_count: clerk.users().length });
    // What is hashed is found by its hash, and by nothing else.
    const found = (address: string) => request(`/v1/users?email_address=${encodeURIComponent(address)}`);
    expect((await found(hashed(addressOf(2)))).body).toMatchObject([{ id: byWebhook.id }]);
    expect((await found(addressOf(2))).body).toEqual([]);
  });

  test("is another one than the mirror was filled under only after a rebuild, on a mirror without one too", async ({
    db,
  }) => {
    const { id } = sandbox.clerk.createUser(marked());
    server = await startMirror({ sandbox, databaseUrl: db.url });
    expect(await stored(id)).toMatchObject({ first_name: `${MARK} 1` });
    await server.stop();
    const refused = {
      code: "configuration",
      message: expect.stringMatching(/another FIELD_POLICY.*user-mirror rebuild/),
    };
    await expect(startMirror({ sandbox, databaseUrl: db.url, env })).rejects.toMatchObject(refused);
    expect(await cli(db.url, ["rebuild"])).toMatchObject({ code: 0 });
    server = await startMirror({ sandbox, databaseUrl: db.url, env });
    expect(await stored(id)).toMatchObject(asKept(1));
    await expectNothingMarked(db);
    await server.stop();
    const others = [
      {},
      { ...env, FIELD_POLICY_KEY: "another-key-of-the-tests" },
      { FIELD_POLICY: "drop first_name" },
    ];
    for (const other of others) {
      await expect(startMirror({ sandbox, databaseUrl: db.url, env: other })).rejects.toMatchObject(refused);
    }
    const reordered = {
      ...env,
      FIELD_POLICY: POLICY.replace("drop first_name, hash username", "hash user.username, drop first_name"),
    };
    server = await startMirror({ sandbox, databaseUrl: db.url, env: reordered });
  });
});
