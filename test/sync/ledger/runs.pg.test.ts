import { afterEach, describe, expect } from "vitest";
import { silentLogger } from "../../../src/observability/logger.js";
import { type Sandbox, startSandbox } from "../../../src/sandbox/server.js";
import { createLease } from "../../../src/sync/ledger/lease.js";
import {
  createRun,
  deletionsSince,
  finishRun,
  latestRuns,
  nextQueued,
  queueRun,
  saveProgress,
  startRun,
  stopRun,
} from "../../../src/sync/ledger/runs.js";
import { test } from "../../support/database.js";
import { walksOver } from "../../support/walks.js";

let sandbox: Sandbox | null = null;

afterEach(async () => {
  await sandbox?.close();
  sandbox = null;
});

async function filled(db: Parameters<typeof walksOver>[0]) {
  sandbox = await startSandbox({ users: 20, organizations: 1 });
  const over = await walksOver(db, sandbox);
  expect((await over.backfill()).state).toBe("succeeded");
  return over;
}

describe("the queue of runs", () => {
  test("holds the same run once, however many ask at once, and one more when that has begun", async ({
    db,
  }) => {
    const ask = (mode: "dry_run" | "full", allowPurge = false) => queueRun(db.sql, mode, 1, { allowPurge });
    const all = await Promise.all(Array.from({ length: 40 }, () => ask("dry_run")));
    const ids = new Set(all.map(({ id }) => id));
    expect([ids.size, all.filter(({ isNew }) => isNew).length]).toEqual([1, 1]);
    const [full, purging] = [await ask("full"), await ask("full", true)];
    expect([full.isNew, purging.isNew]).toEqual([true, true]);
    const [id = ""] = ids;
    await startRun(db.sql, id, 2);
    const next = await ask("dry_run");
    expect([next.isNew, next.id]).not.toEqual([true, id]);
    // One that was interrupted has seen a part already.
    await db.sql`update mirror_data.runs set state = 'queued' where id = ${id}`;
    expect((await ask("dry_run")).id).toBe(next.id);
  });

  test("gives out what repairs before what only looks", async ({ db }) => {
    for (const [n, mode] of (["dry_run", "drift", "full", "incremental"] as const).entries()) {
      await queueRun(db.sql, mode, n);
    }
    const order: string[] = [];
    for (let next = await nextQueued(db.sql); next; next = await nextQueued(db.sql)) {
      order.push(next.mode);
      await startRun(db.sql, next.id, 1);
    }
    expect(order).toEqual(["full", "incremental", "dry_run", "drift"]);
  });

  test("lets a check that is due go before dry runs", async ({ db }) => {
    const { walks } = await filled(db);
    await Promise.all(Array.from({ length: 40 }, () => walks.enqueue("dry_run")));
    walks.checkSoon();
    const stopping = new AbortController();
    const running = walks.run(stopping.signal);
    const ended = async () => {
      const runs = await latestRuns(db.sql, 10);
      return runs.filter(({ state, mode }) => state === "succeeded" && mode !== "backfill");
    };
    await expect.poll(async () => (await ended()).length, { timeout: 20_000 }).toBe(2);
    stopping.abort();
    await running;
    const byStart = (await ended()).sort((a, b) => Number(a.started_at) - Number(b.started_at));
    expect(byStart.map(({ mode }) => mode)).toEqual(["incremental", "dry_run"]);
  });

  test("lets a check that comes due during a dry run go between two of its windows, and no other run", async ({
    db,
  }) => {
    sandbox = await startSandbox({ users: 800, organizations: 0 });
    let whenWindowIsRead = () => {};
    const { walks, backfill } = await walksOver(db, sandbox, {
      windowUsers: 50,
      api: (api) => ({
        ...api,
        async listUsers(query, call) {
          const page = await api.listUsers(query, call);
          if (call.priority === "walk" && query.limit === 500) whenWindowIsRead();
          return page;
        },
      }),
    });
    expect((await backfill()).state).toBe("succeeded");
    await walks.enqueue("dry_run");
    // There are more windows than are read side by side: some begin after this one.
    whenWindowIsRead = () => {
      whenWindowIsRead = () => {};
      walks.checkSoon();
      void queueRun(db.sql, "full", Date.now());
    };
    const stopping = new AbortController();
    const running = walks.run(stopping.signal);
    const ended = async () => {
      const runs = await latestRuns(db.sql, 10);
      return runs.filter(({ state, mode }) => state === "succeeded" && mode !== "backfill");
    };
    await expect.poll(async () => (await ended()).length, { timeout: 30_000 }).toBe(3);
    stopping.abort();
    await running;
    const runs = new Map((await ended()).map((run) => [run.mode, run]));
    const [dry, check, full] = (["dry_run", "incremental", "full"] as const).map((mode) => runs.get(mode));
    expect(Number(check?.started_at)).toBeGreaterThanOrEqual(Number(dry?.started_at));
    expect(Number(check?.finished_at)).toBeLessThanOrEqual(Number(dry?.finished_at));
    expect(Number(full?.started_at)).toBeGreaterThanOrEqual(Number(dry?.finished_at));
  });

  test("does the run of two who asked for it, though the first of them leaves", async ({ db }) => {
    const { walks } = await filled(db);
    const held = await createLease({ sql: db.sql, log: silentLogger() }).acquire();
    const leaving = new AbortController();
    const first = walks.execute("drift", { signal: leaving.signal }).catch(() => "left");
    await expect.poll(async () => (await nextQueued(db.sql))?.mode).toBe("drift");
    const second = walks.execute("drift", { signal: AbortSignal.timeout(30_000) });
    leaving.abort();
    expect(await first).toBe("left");
    await held?.release();
    expect((await second).state).toBe("succeeded");
  });
});

describe("a run that a person stops", () => {
  const by = { by: "ops", nowMs: 5 };

  test("ends for good, and what it has deleted counts", async ({ db: { sql } }) => {
    const id = await createRun(sql, "full", 1);
    await startRun(sql, id, 2);
    const differences = { missed_create: 0, missed_update: 0, missed_delete: 7 };
    await saveProgress(sql, id, { seen: 9, expected: 10, differences, differenceIds: {}, requests: 1 });
    expect(await stopRun(sql, id, by)).toBe("stopped");
    await finishRun(sql, id, { state: "succeeded", error: null, nowMs: 9 });
    expect(await startRun(sql, id, 9)).toBe(false);
    expect(await latestRuns(sql, 1)).toMatchObject([{ state: "stopped", finished_at: 5 }]);
    expect(await deletionsSince(sql, 0)).toBe(7);
    expect(await stopRun(sql, id, { ...by, by: "another" })).toBe("ended");
    expect(await latestRuns(sql, 1)).toMatchObject([{ error: expect.stringContaining('"ops"') }]);
  });

  test("is none that the mirror would begin again", async ({ db: { sql } }) => {
    for (const mode of ["backfill", "sweep"] as const) {
      expect(await stopRun(sql, await createRun(sql, mode, 1), by)).toBe("unstoppable");
    }
    expect(await stopRun(sql, "run_unknown", by)).toBe("unknown");
  });
});
