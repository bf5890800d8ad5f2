// Covers src/http/routes/webhooks.ts, src/sync/webhooks/ingest.ts

import { afterEach, describe, expect } from "vitest";
import type { RunningServer } from "../../src/runtime/server.js";
import { type Sandbox, startSandbox } from "../../src/sandbox/server.js";
import { test } from "../support/database.js";
import { expectSame, startMirror } from "../support/mirror.js";

let sandbox: Sandbox;
let server: RunningServer;

afterEach(async () => {
  await server.stop();
  await sandbox.close();
});

const name = (n: number) => ({ first_name: `Person ${n}`, email_address: [`person${n}@example.com`] });

/** Everything that webhooks tell of, in Clerk itself. */
function live(): void {
  const { clerk } = sandbox;
  const ids = Array.from(
    { length: 30 },
    (_, n) => clerk.createUser({ ...name(n), private_metadata: { n } }).id,
  );
  const organization = clerk.createOrganization({ name: "Acme", created_by: ids[0] });
  for (const [n, id] of ids.entries()) {
    if (n % 2 === 0) clerk.updateMetadata(id, { public_metadata: { plan: "pro", n } });
    if (n % 3 === 0) clerk.updateUser(id, { last_name: `Last ${n}`, username: `user_${n}` });
    if (n % 5 === 1)
      clerk.createMembership({ organization_id: organization.id, user_id: id, role: "org:member" });
    if (n % 5 === 2) clerk.signIn(id);
    if (n % 5 === 3) clerk.ban(id);
    if (n % 7 === 4) clerk.deleteUser(id);
  }
  clerk.updateMembership(organization.id, ids[1] ?? "", { role: "org:admin" });
  clerk.deleteMembership(organization.id, ids[6] ?? "");
  clerk.updateOrganization(organization.id, { name: "Acme Inc" });
  const short = clerk.createOrganization({ name: "Short", created_by: ids[2] });
  clerk.deleteOrganization(short.id);
}

async function mirror(databaseUrl: string) {
  sandbox = await startSandbox({ users: 50, organizations: 2, retryScheduleMs: [5, 5, 50, 200, 500] });
  server = await startMirror({ sandbox, databaseUrl });
}

describe("a mirror with webhooks", () => {
  test("equals Clerk field by field once all have arrived", async ({ db }) => {
    await mirror(db.url);
    live();
    await sandbox.webhooks.settle();
    await expectSame(server.url, sandbox);
    const outcomes = await db.sql`select distinct outcome from mirror_data.deliveries`;
    expect(outcomes.map((row) => row.outcome)).toContain("applied");
  });

  test("equals Clerk when some come twice, some late and some in another order", async ({ db }) => {
    await mirror(db.url);
    Object.assign(sandbox.webhooks.faults, { duplicate: 20, reorder: 15, delay: { times: 20, ms: 30 } });
    live();
    await sandbox.webhooks.settle();
    await server.mirror.refetcher.drain();
    await expectSame(server.url, sandbox);
  });

  test("equals Clerk after a full run when some were lost", async ({ db }) => {
    await mirror(db.url);
    sandbox.webhooks.faults.drop = 40;
    live();
    await sandbox.webhooks.settle();
    const run = await server.mirror.leader.execute("full", { signal: AbortSignal.timeout(60_000) });
    expect(run).toMatchObject({ state: "succeeded", error: null });
    expect(run.differences.missed_create).toBeGreaterThan(0);
    await server.mirror.refetcher.drain();
    await expectSame(server.url, sandbox);
  });

  test("asks Clerk for private metadata that webhooks leave out, and keeps it meanwhile", async ({ db }) => {
    await mirror(db.url);
    sandbox.webhooks.faults.privateMetadataNull = true;
    const { id } = sandbox.clerk.createUser({ private_metadata: { secret: 1 } });
    await sandbox.webhooks.settle();
    await server.mirror.refetcher.drain();
    sandbox.clerk.updateUser(id, { first_name: "Kept" });
    await sandbox.webhooks.settle();
    const [row] = await db.sql`select private_metadata from mirror_data.users where id = ${id}`;
    expect(row?.private_metadata).toBe('{"secret":1}');
    await server.mirror.refetcher.drain();
    await expectSame(server.url, sandbox);
  });
});
