import { unwatched } from "../../src/db/connection/availability.js";
import { createCommitPositions } from "../../src/db/connection/commit-position.js";
import { silentLogger } from "../../src/observability/logger.js";
import type { Sandbox } from "../../src/sandbox/server.js";
import { createLease } from "../../src/sync/ledger/lease.js";
import { type Run, requeueInterrupted } from "../../src/sync/ledger/runs.js";
import { createRunner } from "../../src/sync/schedule/runner.js";
import { createSweeper } from "../../src/sync/schedule/sweeper.js";
import { createIngest } from "../../src/sync/webhooks/ingest.js";
import type { TestDatabase } from "./database.js";
import { type WalkOptions, walksOver } from "./walks.js";

export const DAY_MS = 86_400_000;
export const dayOf = (ms: number) => Math.floor(ms / DAY_MS);
export const dateOf = (day: number) => new Date(day * DAY_MS).toISOString().slice(0, 10);

/**
 * A mirror that lives by the sandbox's virtual clock: it holds all users of the sandbox, hears of what happens there through `hear`,
 * and sweeps when time passes.
 */
export async function sweepingMirror(db: TestDatabase, sandbox: Sandbox, options: WalkOptions = {}) {
  const now = sandbox.clock.now;
  const { deps, backfill, incremental } = await walksOver(db, sandbox, { lagMs: 60_000, ...options, now });
  const { lagMs } = deps;
  const runner = createRunner(deps);
  const lease = createLease({ sql: db.sql, log: deps.log });
  const sweeper = createSweeper({
    ...{ sql: db.sql, clock: { now }, api: deps.api, runner, lagMs },
    pauseMs: { first: 1, longest: 1 },
  });
  const ingest = createIngest({
    ...{ sql: db.sql, availability: unwatched, positions: createCommitPositions(db.sql, unwatched) },
    ...{ instanceId: null, lagMs, clock: { now }, log: silentLogger() },
  });
  await db.sql`update mirror_data.upstream set activity_since = ${now()}, history_since = ${now()}`;
  // Messages are kept, and sent by nobody but `hear`.
  sandbox.webhooks.setEndpoint({ url: "http://nowhere.invalid", secret: "whsec_c2VjcmV0" });
  sandbox.webhooks.faults.drop = Number.POSITIVE_INFINITY;
  let heard = 0;

  /** One sweep, as the process does that holds the lease. Null: it was stopped in the middle. */
  async function sweep(signal: AbortSignal = new AbortController().signal): Promise<Run | null> {
    const held = await lease.acquire();
    if (!held) throw new Error("nobody else may hold the lease");
    try {
      await requeueInterrupted(db.sql, now());
      return await sweeper.sweep(held, { signal });
    } catch (error) {
      if (signal.aborted) return null;
      throw error;
    } finally {
      await held.release();
    }
  }

  /** Lets time pass. Each sweep that is due on the way is done, unless `asleep`; one that doesn't succeed isn't tried again. */
  async function passTo(
    ms: number,
    { asleep = false, signal }: { asleep?: boolean; signal?: AbortSignal } = {},
  ): Promise<Run[]> {
    const runs: Run[] = [];
    for (let failed = false; !asleep && !failed; ) {
      const dueMs = await sweeper.nextMs();
      if (dueMs > ms) break;
      sandbox.clock.advance(Math.max(0, dueMs - now()));
      const run = await sweep(signal);
      if (run) runs.push(run);
      failed = run?.state !== "succeeded";
    }
    sandbox.clock.advance(Math.max(0, ms - now()));
    return runs;
  }

  /** Takes the messages that are new, but for those that get lost. */
  async function hear(isLost: () => boolean = () => false): Promise<void> {
    const fresh = sandbox.webhooks.deliveries.slice(heard);
    heard += fresh.length;
    const kept = fresh.filter(() => !isLost());
    await Promise.all(kept.map(({ id, body }) => ingest.receive({ messageId: id, raw: Buffer.from(body) })));
  }

  /** Each day that has ended, as `mirror.daily_users` shows it. */
  async function days(): Promise<Map<string, { active: number | null; isComplete: boolean }>> {
    const rows = await db.sql<{ day: string; active: number | null; is_complete: boolean }[]>`
      select day::text, active, active_complete as is_complete from mirror.daily_users where day < ${dateOf(dayOf(now()))}`;
    return new Map(rows.map(({ day, active, is_complete }) => [day, { active, isComplete: is_complete }]));
  }

  return { backfill, incremental, sweeper, sweep, passTo, hear, days };
}
