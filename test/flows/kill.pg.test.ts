// Covers src/sync/schedule/leader.ts, src/sync/reconcile/backfill.ts

import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { afterEach, describe, expect } from "vitest";
import { type Sandbox, startSandbox } from "../../src/sandbox/server.js";
import { test } from "../support/database.js";
import { expectSame, killHard, spawnMirror, untilLive } from "../support/mirror.js";

const sandboxes: Sandbox[] = [];
const children: ChildProcess[] = [];

afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const exited = once(child, "exit");
    child.kill("SIGTERM");
    await exited;
  }
  for (const sandbox of sandboxes.splice(0)) await sandbox.close();
});

async function started(options: Parameters<typeof startSandbox>[0]): Promise<Sandbox> {
  const sandbox = await startSandbox(options);
  sandboxes.push(sandbox);
  return sandbox;
}

/** Of the backfill: what is looked at before and after it is not read by the page. */
const pagesOf = (sandbox: Sandbox) =>
  sandbox.requests.filter(({ path, search }) => path === "/v1/users" && search.includes("limit=500")).length;

describe("a server killed with kill -9", () => {
  test("goes on with its backfill from where it was, and ends equal to Clerk", async ({ db }) => {
    const sandbox = await started({ users: 6000, organizations: 3 });
    const reached = new Promise<void>((resolve) => {
      sandbox.onListPage = () => {
        if (pagesOf(sandbox) >= 7) resolve();
      };
    });
    // Each page takes its time, so that the process dies in the middle.
    sandbox.faults.add({ match: "GET /v1/users$", delayMs: 60 });
    const first = await spawnMirror({ sandbox, databaseUrl: db.url, untilLive: false });
    await reached;
    await killHard(first.child);
    const before = pagesOf(sandbox);
    sandbox.faults.clear();

    const second = await spawnMirror({ sandbox, databaseUrl: db.url });
    children.push(second.child);
    // 6,000 users in two windows are 12 full pages, and for each window the one that shows the end. Of the 7 that were
    // asked for, the last of each window may not have been applied.
    expect(pagesOf(sandbox) - before).toBeLessThanOrEqual(14 - 5);
    const [run] = await db.sql`select count(*) as n from mirror_data.runs where mode = 'backfill'`;
    expect(run?.n).toBe(1);
    const [index] = await db.sql`select to_regclass('mirror_data.user_search_identifiers') as name`;
    expect(index?.name).not.toBeNull();
    const [stored] = await db.sql`select count(*) as n from mirror.users`;
    expect(stored?.n).toBe(6000);
  });

  test("loses no webhook that it acknowledged, and gets the others again", async ({ db }) => {
    const sandbox = await started({ users: 20, retryScheduleMs: Array.from({ length: 60 }, () => 250) });
    const first = await spawnMirror({ sandbox, databaseUrl: db.url });
    for (let n = 0; n < 300; n++) sandbox.clerk.createUser({ first_name: `Burst ${n}` });
    const taken = () => sandbox.webhooks.deliveries.filter(({ attempts }) => attempts.includes(200));
    await expect.poll(() => taken().length, { interval: 1, timeout: 20_000 }).toBeGreaterThan(20);
    await killHard(first.child);
    const acknowledged = taken().map(({ body }) => JSON.parse(body).data.id as string);
    expect(acknowledged.length).toBeLessThan(300);
    const stored = await db.sql<{ id: string }[]>`select id from mirror.users`;
    expect(stored.map(({ id }) => id)).toEqual(expect.arrayContaining(acknowledged));

    const second = await spawnMirror({ sandbox, databaseUrl: db.url });
    children.push(second.child);
    await untilLive(second.url);
    await sandbox.webhooks.settle();
    await expectSame(second.url, sandbox);
  });

  test("keeps what it has answered: a key that it made, one that it revoked, a ban", async ({ db }) => {
    const sandbox = await started({ users: 5 });
    const user = String(sandbox.clerk.users().find(({ banned }) => !banned)?.id);
    const asking = async (url: string, method: string, path: string, key = "um_test", body?: object) =>
      fetch(`${url}${path}`, {
        method,
        headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
        ...(body && { body: JSON.stringify(body) }),
      });
    const first = await spawnMirror({ sandbox, databaseUrl: db.url });
    const makeKey = async (name: string) => {
      const wanted = { name, scopes: ["users:read"] };
      const made = await asking(first.url, "POST", "/mirror/keys", "um_test", wanted);
      return (await made.json()) as { id: string; key: string };
    };
    const revoked = await makeKey("revoked");
    // What Clerk answered is all that the mirror hears of it.
    sandbox.webhooks.faults.drop = 1;
    const banned = await asking(first.url, "POST", `/v1/users/${user}/ban`);
    const kept = await makeKey("kept");
    const answer = await asking(first.url, "DELETE", `/mirror/keys/${revoked.id}`);
    await killHard(first.child);
    expect([banned.status, answer.status]).toEqual([200, 200]);
    expect(await db.sql`select banned from mirror.users where id = ${user}`).toEqual([{ banned: true }]);

    const second = await spawnMirror({ sandbox, databaseUrl: db.url });
    children.push(second.child);
    const read = async (key: string) => (await asking(second.url, "GET", `/v1/users/${user}`, key)).status;
    expect([await read(kept.key), await read(revoked.key)]).toEqual([200, 401]);
  });
});
