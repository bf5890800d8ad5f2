// Covers src/sync/ledger/lease.ts, src/sync/schedule/leader.ts, src/db/quota-store.ts

import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { setTimeout } from "node:timers/promises";
import { afterEach, describe, expect } from "vitest";
import { type Sandbox, startSandbox } from "../../src/sandbox/server.js";
import { test } from "../support/database.js";
import { expectSame, spawnMirror } from "../support/mirror.js";

let sandbox: Sandbox;
const children: ChildProcess[] = [];

afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const exited = once(child, "exit");
    child.kill("SIGCONT");
    child.kill("SIGKILL");
    await exited;
  }
  await sandbox.close();
});

const TAKEOVER_MS = 15_000;

describe("two processes on one Postgres", () => {
  test("hand the walk over when its holder is stopped, and what that one writes on waking is refused", async ({
    db,
  }) => {
    sandbox = await startSandbox({ users: 3000, organizations: 2 });
    const holder = async () => {
      const [row] = await db.sql<{ holder: string; epoch: number }[]>`
        select split_part(holder, '/', 3) as holder, epoch from mirror_data.leases`;
      return row ? { pid: Number(row.holder), epoch: row.epoch } : null;
    };
    const reached = new Promise<void>((resolve) => {
      sandbox.onListPage = (query) => {
        if (query.has("starting_after")) resolve();
      };
    });
    sandbox.faults.add({ match: "GET /v1/users$", delayMs: 200 });
    const options = { sandbox, databaseUrl: db.url, untilLive: false, env: { RECONCILE_INTERVAL: "0" } };
    const first = await spawnMirror(options);
    children.push(first.child);
    await reached;
    const before = await holder();
    expect(before?.pid).toBe(first.child.pid);
    first.child.kill("SIGSTOP");
    sandbox.faults.clear();
    const second = await spawnMirror({ ...options, untilLive: false });
    children.push(second.child);
    await expect.poll(holder, { timeout: TAKEOVER_MS }).toMatchObject({
      pid: second.child.pid,
      epoch: (before?.epoch ?? 0) + 1,
    });
    const state = async () =>
      (await db.sql<{ state: string }[]>`select state from mirror_data.runs where mode = 'backfill'`)[0]
        ?.state;
    await expect.poll(state, { timeout: 20_000 }).toBe("succeeded");
    const versions = () => db.sql`select id, xmin::text from mirror_data.users order by id`;
    const written = await versions();
    const windows = await db.sql`select * from mirror_data.windows order by what, position`;

    first.child.kill("SIGCONT");
    // What it had fetched before it was stopped it now tries to store, and finds the epoch raised.
    await expect.poll(async () => (await fetch(`${first.url}/readyz`)).status).toBe(200);
    await setTimeout(1000);
    expect(await versions()).toEqual(written);
    expect(await db.sql`select * from mirror_data.windows order by what, position`).toEqual(windows);
    expect((await holder())?.pid).toBe(second.child.pid);
    await expectSame(first.url, sandbox);
    await expectSame(second.url, sandbox);
  }, 90_000);

  test("do what is asked of either, one walk at a time", async ({ db }) => {
    sandbox = await startSandbox({ users: 40 });
    const env = { RECONCILE_INTERVAL: "0", UPSTREAM_LAG: "50ms" };
    const options = { sandbox, databaseUrl: db.url, env };
    const both = [await spawnMirror(options), await spawnMirror(options)];
    for (const { child } of both) children.push(child);
    sandbox.webhooks.setEndpoint(null);
    const changed = sandbox.clerk.users().slice(0, 2);
    for (const { id } of changed) sandbox.clerk.updateUser(String(id), { first_name: "Changed" });
    const ask = (url: string, path: string, init: RequestInit = {}) =>
      fetch(`${url}${path}`, { ...init, headers: { Authorization: "Bearer um_test" } });
    const ids = await Promise.all(
      both.map(async ({ url }) => {
        const body = JSON.stringify({ mode: "full" });
        const answer = await ask(url, "/mirror/reconcile", { method: "POST", body });
        return ((await answer.json()) as { run_id: string }).run_id;
      }),
    );
    for (const [n, id] of ids.entries()) {
      // Each knows of the other's.
      const url = both[1 - n]?.url ?? "";
      const state = async () =>
        ((await (await ask(url, `/mirror/runs/${id}`)).json()) as { state: string }).state;
      await expect.poll(state, { timeout: 15_000 }).toBe("succeeded");
    }
    const runs = await db.sql<{ started_at: number; finished_at: number }[]>`
      select started_at, finished_at from mirror_data.runs where mode = 'full' order by started_at`;
    // Where the first was still queued when the second was asked for, both are the same.
    expect(runs).toHaveLength(new Set(ids).size);
    for (const [n, { started_at }] of runs.slice(1).entries()) {
      expect(started_at).toBeGreaterThanOrEqual(runs[n]?.finished_at ?? Number.POSITIVE_INFINITY);
    }
    await expectSame(both[0]?.url ?? "", sandbox);
  }, 60_000);
});
