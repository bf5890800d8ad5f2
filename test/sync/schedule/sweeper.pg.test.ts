// Covers src/sync/schedule/{sweeper,scheduler}.ts

import { afterEach, describe, expect } from "vitest";
import { type Sandbox, startSandbox } from "../../../src/sandbox/server.js";
import { createLease } from "../../../src/sync/ledger/lease.js";
import type { RunMode } from "../../../src/sync/ledger/run-kinds.js";
import { queueRun } from "../../../src/sync/ledger/runs.js";
import { createRunner, type Runner } from "../../../src/sync/schedule/runner.js";
import { createScheduler } from "../../../src/sync/schedule/scheduler.js";
import { createSweeper } from "../../../src/sync/schedule/sweeper.js";
import { type TestDatabase, test } from "../../support/database.js";
import { walksOver } from "../../support/walks.js";

const sandboxes: Sandbox[] = [];
afterEach(async () => {
  for (const sandbox of sandboxes.splice(0)) await sandbox.close();
});

const DAY_MS = 86_400_000;
const MIDNIGHT = 20_000 * DAY_MS;

/** What the holder of the lease does, in the order in which it begins, until `count` runs have begun. */
async function begun(
  db: TestDatabase,
  atMs: number,
  count: number,
  { queued, beforeRun }: { queued?: RunMode; beforeRun?: (mode: RunMode, sandbox: Sandbox) => void } = {},
): Promise<RunMode[]> {
  const sandbox = await startSandbox({ users: 30, clockMs: atMs - DAY_MS });
  sandboxes.push(sandbox);
  const now = sandbox.clock.now;
  const { deps, backfill } = await walksOver(db, sandbox, { now, windowUsers: 10 });
  const today = Math.floor(atMs / DAY_MS);
  await db.sql`update mirror_data.upstream set activity_since = ${now()}, first_unswept = ${today}`;
  await backfill();
  sandbox.clock.advance(DAY_MS);
  if (queued) await queueRun(db.sql, queued, now());
  const lease = createLease({ sql: db.sql, log: deps.log });
  const ended = new AbortController();
  const real = createRunner(deps);
  const modes: RunMode[] = [];
  const runner: Runner = {
    ...real,
    execute(held, run, options) {
      modes.push(run.mode);
      beforeRun?.(run.mode, sandbox);
      if (modes.length === count) ended.abort(new Error("that is enough"));
      return real.execute(held, run, options);
    },
  };
  const { primary, api, clock, lagMs, log, completeness } = deps;
  const sweeper = createSweeper({
    ...{ sql: primary.sql, clock, api, runner, lagMs },
    pauseMs: { first: 1, longest: 1 },
  });
  const scheduler = createScheduler({
    ...{ sql: primary.sql, clock, log, completeness, runner, sweeper, claimUpstream: async () => {} },
    ...{ intervalMs: 0, fullIntervalMs: 0 },
  });
  const held = await lease.acquire();
  if (!held) throw new Error("nobody else may hold the lease");
  await expect(scheduler.run(held, ended.signal)).rejects.toThrow("that is enough");
  await held.release();
  return modes;
}

describe("a sweep that is due", () => {
  test("goes before what is queued", async ({ db }) => {
    expect(await begun(db, MIDNIGHT - 5000, 2, { queued: "full" })).toEqual(["sweep", "full"]);
  });

  test.for(["full", "dry_run"] as const)("goes between the windows of a %s", async (mode, { db }) => {
    // It becomes due when the run has begun.
    const beforeRun = (begins: RunMode, { clock }: Sandbox) => {
      if (begins === mode) clock.advance(DAY_MS / 2);
    };
    const modes = await begun(db, MIDNIGHT - DAY_MS / 2 - 5000, 2, { queued: mode, beforeRun });
    expect(modes).toEqual([mode, "sweep"]);
  });
});
