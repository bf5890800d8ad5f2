import type { Primary } from "../../db/connection/client.js";
import type { Clock } from "../../db/connection/clock.js";
import type { Sql } from "../../db/connection/sql.js";
import { createGate } from "../../lib/async.js";
import type { Logger } from "../../observability/logger.js";
import type { Call } from "../../upstream/client.js";
import type { Priority } from "../../upstream/request-queue.js";
import type { ClerkApi } from "../../upstream/users.js";
import type { Fence } from "../ledger/lease.js";
import type { OnProgress, Run, RunMode } from "../ledger/runs.js";
import { createTally, type RunTally } from "./findings.js";

/** What every run needs of the process. */
export interface ReconcileParts {
  primary: Primary;
  api: ClerkApi;
  clock: Pick<Clock, "now">;
  /** How many requests Clerk was sent so far. */
  requests: () => number;
  lagMs: number;
  purgeLimit: number;
  log: Logger;
  /** How many users a planned window holds, about. */
  windowUsers?: number;
  /** How long after counts that differ both sides are counted again. */
  secondLookMs?: number;
}

/** What is asked of one run. */
export interface RunOptions {
  mode: RunMode;
  allowPurge: boolean;
  signal: AbortSignal;
  onProgress: OnProgress;
  fence: Fence;
}

/** One run under way: what its parts share. */
export interface RunWork {
  sql: Sql;
  /** For what takes as long as it takes. */
  unhurried: Primary["unhurried"];
  api: ClerkApi;
  clock: Pick<Clock, "now">;
  lagMs: number;
  purgeLimit: number;
  windowUsers: number;
  secondLookMs: number;
  log: Logger;
  runId: string;
  mode: RunMode;
  /** Compares and changes nothing. */
  dryRun: boolean;
  allowPurge: boolean;
  signal: AbortSignal;
  call: Call;
  onProgress: OnProgress;
  fence: Fence;
  tally: RunTally;
  /** When it began for the first time: what it proves, it proves for then. */
  startedAtMs: number;
  /** Somebody whom Clerk has just shown. */
  witness: string | null;
  /** When those were created whom a dry run would have stored: they count as if they were here. */
  foreseen: Map<string, number>;
  /** Pages are fetched side by side, and applied few at a time: reads and webhooks need connections too. */
  applyGate: ReturnType<typeof createGate>;
}

/** Ten pages: enough windows to go on side by side, and few enough to plan with few counts. */
const WINDOW_USERS = 5000;
const APPLIED_AT_ONCE = 2;
/** Counts that differ by what is under way agree a moment later. */
const SECOND_LOOK_MS = 1000;
/** A check is short and urgent: a walk of everything must not keep it waiting. */
const PRIORITY: Record<RunMode, Priority> = {
  incremental: "repair",
  drift: "repair",
  backfill: "walk",
  full: "walk",
  dry_run: "walk",
};

export function beginWork(parts: ReconcileParts, run: Run, options: RunOptions): RunWork {
  const { api, clock, lagMs, purgeLimit, log, requests } = parts;
  const { windowUsers = WINDOW_USERS, secondLookMs = SECOND_LOOK_MS } = parts;
  const { mode, signal, fence } = options;
  const { patient: sql, unhurried } = parts.primary;
  return {
    ...{ sql, unhurried, api, clock, lagMs, purgeLimit, windowUsers, secondLookMs, log, ...options },
    runId: run.id,
    dryRun: mode === "dry_run" || mode === "drift",
    call: { priority: PRIORITY[mode], signal },
    tally: createTally({ sql, fence, run, requests }),
    startedAtMs: run.started_at ?? clock.now(),
    witness: null,
    foreseen: new Map(),
    applyGate: createGate(APPLIED_AT_ONCE),
  };
}
