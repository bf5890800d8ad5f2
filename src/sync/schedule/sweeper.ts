import type { Clock } from "../../db/connection/clock.js";
import type { Sql } from "../../db/connection/sql.js";
import { backoffMs } from "../../lib/async.js";
import { dayOf } from "../../lib/days.js";
import type { ClerkApi } from "../../upstream/users.js";
import type { HeldLease } from "../ledger/lease.js";
import { createRun, type Run } from "../ledger/runs.js";
import { heardOfDay, unfinishedSweep } from "../ledger/sweeps.js";
import { nextSweepMs } from "../reconcile/sweep-times.js";
import type { ExecuteOptions, Runner } from "./runner.js";

/** Sweeps, when they are due: they bring the activity that nothing else tells of, before and after each midnight of UTC. */
export interface Sweeper {
  /** When the next one is due, by our clock. Infinity: no days of activity are kept. */
  nextMs(): Promise<number>;
  /** Does one, or goes on with one that was interrupted. */
  sweep(held: HeldLease, options: ExecuteOptions): Promise<Run>;
  /** Does the one that is due, if one is and nobody does it yet, and returns whether it did. */
  sweepIfDue(held: HeldLease, options: ExecuteOptions): Promise<boolean>;
}

export interface SweeperDeps {
  sql: Sql;
  clock: Pick<Clock, "now">;
  api: Pick<ClerkApi, "clockOffsetMs">;
  runner: Runner;
  lagMs: number;
  /**
   * After sweeps that failed the next attempt waits, longer and longer. The longest wait is also how long the time of the next one
   * is relied on: clocks may be set, and the day's users become more.
   */
  pauseMs: { first: number; longest: number };
}

export function createSweeper({ sql, clock, api, runner, lagMs, pauseMs }: SweeperDeps): Sweeper {
  /** By the monotonic clock. */
  let notBeforeMs = 0;
  let failures = 0;
  let isSweeping = false;

  async function nextMs(): Promise<number> {
    const offsetMs = api.clockOffsetMs();
    const day = dayOf(clock.now() + offsetMs);
    const heard = await heardOfDay(sql, day);
    return heard ? nextSweepMs(day, heard, lagMs) - offsetMs : Number.POSITIVE_INFINITY;
  }

  async function sweep(held: HeldLease, options: ExecuteOptions): Promise<Run> {
    const id = (await unfinishedSweep(sql)) ?? (await createRun(sql, "sweep", clock.now()));
    return runner.execute(held, { id, mode: "sweep", allowPurge: false }, options);
  }

  async function look(held: HeldLease, options: ExecuteOptions): Promise<boolean> {
    const waitMs = (await nextMs()) - clock.now();
    if (waitMs > 0) {
      notBeforeMs = performance.now() + Math.min(waitMs, pauseMs.longest);
      return false;
    }
    const { state } = await sweep(held, options);
    failures = state === "succeeded" ? 0 : failures + 1;
    if (failures > 0)
      notBeforeMs = performance.now() + backoffMs(failures - 1, pauseMs.first, pauseMs.longest);
    return true;
  }

  async function sweepIfDue(held: HeldLease, options: ExecuteOptions): Promise<boolean> {
    // A check between its pages may turn into a run that asks here again, and must not wait for itself.
    if (isSweeping || performance.now() < notBeforeMs) return false;
    isSweeping = true;
    try {
      return await look(held, options);
    } finally {
      isSweeping = false;
    }
  }

  return { nextMs, sweep, sweepIfDue };
}
