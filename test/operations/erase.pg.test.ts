// Covers src/operations/erase.ts, src/cli/erase.ts, src/sync/apply/erase.ts, src/sync/ledger/traces.ts

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect } from "vitest";
import { removeEmbedded } from "../../src/db/embedded/postgres.js";
import { GROWING_TABLES } from "../../src/db/tables/registry.js";
import type { RunningServer } from "../../src/runtime/server.js";
import { type Sandbox, startSandbox } from "../../src/sandbox/server.js";
import { cli } from "../support/cli.js";
import { type TestDatabase, test } from "../support/database.js";
import { type DumpedRow, dumpOf } from "../support/dump.js";
import { startMirror } from "../support/mirror.js";
import { deliver } from "../support/signed.js";

/** In everything personal of the one who is erased, and in nothing else. */
const MARK = "zqmark";

let sandbox: Sandbox;
let server: RunningServer;

beforeEach(async () => {
  sandbox = await startSandbox({ users: 12, organizations: 2, retryScheduleMs: [5, 5, 50] });
});

afterEach(async () => {
  await server?.stop();
  await sandbox.close();
});

const withKey = () => ({
  CLERK_SECRET_KEY: sandbox.secretKey,
  CLERK_API_URL: sandbox.url,
  UPSTREAM_LAG: "500ms",
});
const eraseBy = (db: TestDatabase, id: string, env: Record<string, string> = withKey()) =>
  cli(db.url, ["erase", id], env);

/** A person with a mark in every place that Clerk has for one. */
function markedPerson() {
  const { clerk } = sandbox;
  const person = clerk.createUser({
    first_name: `First ${MARK}`,
    last_name: `Läst ${MARK}`,
    username: `${MARK}_name`,
    external_id: `ext_${MARK}`,
    email_address: [`one@${MARK}.example`, `${MARK}@example.com`],
    phone_number: ["+15555550190"],
    public_metadata: { [MARK]: "public" },
    private_metadata: { note: `private ${MARK}` },
    unsafe_metadata: { note: [`unsafe ${MARK}`] },
  });
  const [organization] = clerk.organizations();
  clerk.createMembership({ organization_id: organization?.id, user_id: person.id, role: "org:member" });
  clerk.signIn(person.id);
  return person;
}

const userOf = (id: string) => sandbox.clerk.user(id) as Record<string, unknown>;
const event = (type: string, data: object) => ({ type, object: "event", timestamp: Date.now(), data });

/** What only trouble leaves behind: dead letters, questions, and the reports and places of runs. */
async function plantTrouble({ sql }: TestDatabase, id: string): Promise<void> {
  const broken = { ...userOf(id), created_at: MARK };
  expect(await deliver(server.url, "msg_broken", event("user.updated", broken))).toBe("dead_lettered");
  const torn = JSON.stringify(event("user.updated", userOf(id))).slice(0, -2);
  expect(await deliver(server.url, "msg_torn", torn)).toBe("dead_lettered");
  const later = Date.now() + 400_000;
  await sql`
    insert into mirror_data.refetches (kind, id, reason, since, next_at)
    values ('user', ${id}, 'doubt', 1, ${later}), ('membership', ${`org_1/${id}`}, 'doubt', 1, ${later})
    on conflict (kind, id) do update set next_at = excluded.next_at`;
  await sql`
    insert into mirror_data.runs (id, mode, state, queued_at, finished_at, difference_ids, error)
    values ('run_old', 'full', 'failed', 1, 1, ${sql.json({ missed_update: [id, "user_other"] })}, ${`${id} can't be stored`})`;
  await sql`
    insert into mirror_data.windows (run_id, what, position, cursor_id) values ('run_old', 'users', 0, ${id})`;
}

const holding = (dump: readonly DumpedRow[], text: string) =>
  dump.filter((row) => row.text.toLowerCase().includes(text.toLowerCase()));
const tablesHolding = (dump: readonly DumpedRow[], text: string) => [
  ...new Set(holding(dump, text).map(({ table }) => table)),
];

describe("erase", { timeout: 120_000 }, () => {
  test("leaves of somebody who is in every table nothing but the tombstone, which nothing revives", async ({
    db,
  }) => {
    const { id } = markedPerson();
    server = await startMirror({ sandbox, databaseUrl: db.url, env: { RECONCILE_INTERVAL: "0" } });
    const lateEvents = [
      event("user.updated", { ...userOf(id), updated_at: Date.now() + 60_000 }),
      event("session.created", { user_id: id, created_at: Date.now(), user: userOf(id) }),
      event(
        "organizationMembership.created",
        sandbox.clerk
          .memberships()
          .find((one) => (one.public_user_data as { user_id: string }).user_id === id) ?? {},
      ),
      event("user.updated", { ...userOf(id), created_at: null }),
    ];
    await deliver(server.url, "msg_visit", lateEvents[1] as object);
    await plantTrouble(db, id);
    await db.sql`analyze`;
    const before = await dumpOf(db.sql);
    const held = new Set([...tablesHolding(before, MARK), ...tablesHolding(before, id)]);
    // Bits and sums: what is removed of the one is counted below, and the other is of nobody.
    const unnamed = ["active_days", "daily_users", "organizations"];
    expect([...held]).toEqual(
      expect.arrayContaining(Object.keys(GROWING_TABLES).filter((table) => !unnamed.includes(table))),
    );
    expect(tablesHolding(before, MARK)).toContain("statistics of users");

    expect(await eraseBy(db, id)).toMatchObject({
      code: 1,
      value: null,
      stderr: expect.stringMatching(/Clerk still has .* Delete the user at Clerk first/s),
    });
    sandbox.webhooks.faults.drop = 1;
    sandbox.clerk.deleteUser(id);
    await sandbox.webhooks.settle();
    const erased = await eraseBy(db, id);
    expect(erased).toMatchObject({ code: 0, value: { id, erased: true, gone_by: "clerk" } });
    const { active_days, daily_users, ...removed } = erased.value.removed;
    expect(active_days).toBeGreaterThan(0);
    expect(Object.entries(removed).filter(([, n]) => n === 0)).toEqual([]);
    expect(removed).toMatchObject({ users: 1, organization_memberships: 1, dead_letters: 2 });

    const clean = async () => {
      const dump = await dumpOf(db.sql);
      expect(tablesHolding(dump, MARK)).toEqual([]);
      // Statistics hold ids of what was there and of what is.
      return holding(dump, id).flatMap(({ table }) => (table.startsWith("statistics") ? [] : [table]));
    };
    expect(new Set(await clean())).toEqual(new Set(["users", "changes"]));
    const changes = await db.sql`select distinct type from mirror_data.changes where id = ${id}`;
    expect(changes).toEqual([{ type: "user.deleted" }]);
    expect(await db.sql`select * from mirror_data.users where id = ${id}`).toMatchObject([
      { erased: true, number: null, payload: null, email_address: null },
    ]);
    const { memberships } = (await (
      await fetch(`${server.url}/mirror/status`, { headers: { authorization: "Bearer um_test" } })
    ).json()) as { memberships: number };
    expect(memberships).toBe(sandbox.clerk.memberships().length);
    const get = () => fetch(`${server.url}/v1/users/${id}`, { headers: { authorization: "Bearer um_test" } });
    expect((await get()).status).toBe(404);

    // Late messages, and lists of before.
    const answers: string[] = [];
    for (const [n, late] of lateEvents.entries()) {
      answers.push(await deliver(server.url, `msg_late_${n}`, late));
    }
    expect(answers).toEqual(["stale", "stale", "stale", "dead_lettered"]);
    await server.mirror.refetcher.drain();
    sandbox.setListLag(3_600_000);
    const full = await cli(db.url, ["reconcile", "--full"], withKey());
    expect(full.stderr).not.toContain("configuration");
    expect(new Set(await clean())).toEqual(new Set(["users", "changes", "deliveries"]));
    expect((await get()).status).toBe(404);
    // Again: nothing is left but what came late.
    const again = await eraseBy(db, id);
    expect(again).toMatchObject({
      code: 0,
      value: { removed: { users: 0, deliveries: 4, dead_letters: 0 } },
    });
  });

  test("without a key goes by what Clerk told of the deletion, and refuses where it told of none", async ({
    db,
  }) => {
    server = await startMirror({ sandbox, databaseUrl: db.url, env: { RECONCILE_INTERVAL: "0" } });
    const [gone, there] = sandbox.clerk.users().map(({ id }) => String(id)) as [string, string];
    sandbox.clerk.deleteUser(gone);
    await sandbox.webhooks.settle();
    expect(await eraseBy(db, gone, {})).toMatchObject({ code: 0, value: { gone_by: "tombstone" } });
    for (const id of [there, "user_never_heard_of"]) {
      const refused = await eraseBy(db, id, {});
      expect(refused).toMatchObject({ code: 1, value: null });
      expect(refused.stderr).toMatch(/Nothing was erased.*CLERK_SECRET_KEY/s);
    }
    expect(await db.sql`select id from mirror_data.users where erased`).toEqual([{ id: gone }]);
  });

  test("goes by the same where Clerk doesn't answer, and believes no other Clerk", async ({ db }) => {
    server = await startMirror({ sandbox, databaseUrl: db.url, env: { RECONCILE_INTERVAL: "0" } });
    const [gone, doubted, there] = sandbox.clerk.users().map(({ id }) => String(id)) as [
      string,
      string,
      string,
    ];
    for (const id of [gone, doubted]) sandbox.clerk.deleteUser(id);
    await sandbox.webhooks.settle();
    await server.stop();
    await db.sql`
      insert into mirror_data.refetches (kind, id, reason, since, next_at) values ('user', ${doubted}, 'contradicted', 1, 1)`;
    const another = await startSandbox({ users: 1, seed: 3 });
    const other = { CLERK_SECRET_KEY: another.secretKey, CLERK_API_URL: another.url };
    expect(await eraseBy(db, there, other)).toMatchObject({ code: 78, value: null });
    await another.close();
    await sandbox.close();
    expect(await eraseBy(db, gone)).toMatchObject({ code: 0, value: { gone_by: "tombstone" } });
    for (const id of [doubted, there]) {
      const refused = await eraseBy(db, id);
      expect(refused).toMatchObject({ code: 1, value: null });
      expect(refused.stderr).toContain("Try again when Clerk answers");
    }
  });

  test("takes the id of nothing else, and only what can be an id", async ({ db }) => {
    server = await startMirror({ sandbox, databaseUrl: db.url });
    const [organization] = sandbox.clerk.organizations();
    expect(await eraseBy(db, String(organization?.id))).toMatchObject({ code: 1, value: null });
    expect(await eraseBy(db, "user 1")).toMatchObject({ code: 2, value: null });
    expect(await db.sql`select from mirror_data.users where erased`).toHaveLength(0);
  });

  test("holds through a rebuild", async ({ db }) => {
    server = await startMirror({ sandbox, databaseUrl: db.url, env: { RECONCILE_INTERVAL: "0" } });
    const { id } = markedPerson();
    const late = event("user.updated", { ...userOf(id), updated_at: Date.now() + 60_000 });
    sandbox.clerk.deleteUser(id);
    await sandbox.webhooks.settle();
    expect(await eraseBy(db, id)).toMatchObject({ code: 0 });
    await server.stop();
    expect(await cli(db.url, ["rebuild"])).toMatchObject({ code: 0 });
    server = await startMirror({ sandbox, databaseUrl: db.url, env: { RECONCILE_INTERVAL: "0" } });
    expect(await deliver(server.url, "msg_after", late)).toBe("stale");
    expect(tablesHolding(await dumpOf(db.sql), MARK)).toEqual([]);
  });

  test("works on the embedded Postgres, beside the server and without it, which finds it done", async ({
    onTestFinished,
  }) => {
    const folder = mkdtempSync(join(tmpdir(), "user-mirror-erase-"));
    onTestFinished(() => {
      removeEmbedded(folder);
      rmSync(folder, { recursive: true });
    });
    const start = () =>
      startMirror({ sandbox, databaseUrl: "", env: { DATA_DIR: folder, RECONCILE_INTERVAL: "0" } });
    const ids = [markedPerson().id, sandbox.clerk.createUser({ first_name: MARK }).id].map(String);
    server = await start();
    for (const id of ids) sandbox.clerk.deleteUser(id);
    await sandbox.webhooks.settle();
    const [first = "", second = ""] = ids;
    const erased = (id: string) => cli("", ["erase", id], { DATA_DIR: folder, ...withKey() });
    const done = (id: string) => ({ code: 0, value: { id, gone_by: "clerk" } });
    expect(await erased(first)).toMatchObject(done(first));
    const status = () =>
      fetch(`${server.url}/v1/users/${first}`, { headers: { authorization: "Bearer um_test" } });
    expect((await status()).status).toBe(404);
    await server.stop();
    expect(await erased(second)).toMatchObject(done(second));

    server = await start();
    expect((await status()).status).toBe(404);
    const { sql } = server.mirror.store.database.primary;
    expect(await sql`select id from mirror_data.users where erased`).toHaveLength(2);
    expect(tablesHolding(await dumpOf(sql), MARK)).toEqual([]);
    await server.stop();
  });
});
