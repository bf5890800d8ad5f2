// Covers src/sync/schedule/{runner,stop-watch}.ts, src/http/routes/runs.ts

import { afterEach, expect, test } from "vitest";
import type { RunningServer } from "../../src/runtime/server.js";
import { type Sandbox, startSandbox } from "../../src/sandbox/server.js";
import type { Run } from "../../src/sync/ledger/runs.js";
import { freshDatabase, type OwnDatabase } from "../support/database.js";
import { startMirror } from "../support/mirror.js";

let database: OwnDatabase;
let sandbox: Sandbox;
const servers: RunningServer[] = [];

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop()));
  await sandbox.close();
  await database.drop();
});

/** Two processes' worth of mirrors over one database, of which one holds the lease. */
async function two(): Promise<[RunningServer, RunningServer]> {
  database = await freshDatabase();
  sandbox = await startSandbox({ users: 30 });
  const options = { sandbox, databaseUrl: database.url, env: { RECONCILE_INTERVAL: "0" } };
  const first = await startMirror(options);
  servers.push(first);
  const second = await startMirror(options);
  servers.push(second);
  return [first, second];
}

async function ask(server: RunningServer, method: string, path: string, body?: object) {
  const response = await fetch(`${server.url}${path}`, {
    method,
    headers: { Authorization: "Bearer um_test" },
    ...(body && { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: JSON.parse(await response.text()) };
}

const start = async (server: RunningServer, mode: string): Promise<string> =>
  (await ask(server, "POST", "/mirror/reconcile", { mode })).body.run_id;
const runOf = async (server: RunningServer, id: string): Promise<Run> =>
  (await ask(server, "GET", `/mirror/runs/${id}`)).body;

test.each([0, 1])(
  "a run is stopped through either process (%i), and what comes after it is done",
  async (asked) => {
    const both = await two();
    const [first, other] = [both[0], both[asked] ?? both[0]];
    // Clerk would keep the run waiting for longer than this test may take.
    sandbox.faults.add({ match: "GET /v1/users", delayMs: 20_000 });
    const id = await start(first, "full");
    await expect.poll(async () => (await runOf(other, id)).state, { timeout: 20_000 }).toBe("running");
    const waiting = await start(other, "dry_run");
    for (const one of [waiting, id]) {
      const { status, body } = await ask(other, "POST", `/mirror/runs/${one}/stop`);
      expect([status, body]).toEqual([
        200,
        expect.objectContaining({ state: "stopped", error: expect.stringContaining("MIRROR_API_KEY") }),
      ]);
    }
    sandbox.faults.clear();
    const next = await start(other, "incremental");
    await expect.poll(async () => (await runOf(first, next)).state, { timeout: 15_000 }).toBe("succeeded");
    // Neither was begun again, nor did the process that did it write over its end.
    for (const one of [waiting, id]) expect((await runOf(first, one)).state).toBe("stopped");
  },
);

test("what has ended stays as it ended, and runs are listed by what they are", async () => {
  const [first] = await two();
  const id = await start(first, "full");
  await expect.poll(async () => (await runOf(first, id)).state, { timeout: 20_000 }).toBe("succeeded");
  expect(await ask(first, "POST", `/mirror/runs/${id}/stop`)).toMatchObject({
    status: 200,
    body: { id, state: "succeeded", error: null },
  });
  const runs = async (query: string) => (await ask(first, "GET", `/mirror/runs?${query}`)).body;
  expect((await runs("mode=full")).data.map((run: Run) => run.id)).toEqual([id]);
  expect((await runs("differences=true")).data).toEqual([]);
  const { data, next } = await runs("limit=1");
  expect([data.length, next]).toEqual([1, data[0].id]);
  const rest = await runs(`before=${next}`);
  expect(rest.data.map((run: Run) => run.id)).not.toContain(next);
});
