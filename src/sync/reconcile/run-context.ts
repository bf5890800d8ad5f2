import type { Primary } from "../../db/connection/client.js";
import type { Clock } from "../../db/connection/clock.js";
import type { Sql } from "../../db/connection/sql.js";
import { createGate } from "../../lib/async.js";
import type { Logger } from "../../observability/logger.js";
import type { ClerkApi } from "../../upstream/users.js";
import type { Fence } from "../ledger/lease.js";
import type { RunKind } from "../ledger/run-kinds.js";
import type { OnProgress, Run } from "../ledger/runs.js";
import { type ClerkReader, createClerkReader } from "./clerk-reader.js";
import type { Findings } from "./findings.js";

/** What every run needs of the process. */
export interface ReconcileDeps {
  primary: Primary;
  api: ClerkApi;
  clock: Pick<Clock, "now">;
  /** How many requests Clerk was sent so far. */
  requests: () => number;
  lagMs: number;
  purgeLimit: number;
  log: Logger;
  /** About how many users a planned window holds. */
  windowUsers?: number;
  /** From how many users on a first load makes the indexes that it does without when it has ended. */
  putOffFrom?: number;
  /** How long after counts that differ both sides are counted again. */
  recountAfterMs?: number;
}

/** What differs from one run to the next. */
export interface RunOptions {
  run: Run;
  kind: RunKind;
  /** Deletes even more users than PURGE_LIMIT. */
  allowPurge: boolean;
  signal: AbortSignal;
  onProgress: OnProgress;
  fence: Fence;
  findings: Findings;
  /** Waited for before each window: what must not wait for the end of the run is done meanwhile. */
  beforeWindow?: (() => Promise<void>) | undefined;
}

/**
 * One run: what it is, and what it may use. Nothing in here changes while the run goes on: what it finds is noted in
 * `findings`.
 */
export interface RunContext {
  readonly runId: string;
  readonly kind: RunKind;
  readonly allowPurge: boolean;
  /** When it began for the first time. What the run proves, it proves for that moment. */
  readonly startedAtMs: number;
  readonly signal: AbortSignal;
  readonly onProgress: OnProgress;
  readonly fence: Fence;
  readonly findings: Findings;
  readonly beforeWindow: () => Promise<void>;
  readonly clerk: ClerkReader;
  readonly sql: Sql;
  /** For statements that take as long as they take. */
  readonly unhurried: Primary["unhurried"];
  readonly clock: Pick<Clock, "now">;
  readonly lagMs: number;
  readonly purgeLimit: number;
  readonly windowUsers: number;
  readonly putOffFrom: number;
  readonly recountAfterMs: number;
  readonly log: Logger;
  /** Pages are fetched side by side, and applied few at a time: reads and webhooks need connections too. */
  readonly applyGate: ReturnType<typeof createGate>;
}

/** Ten pages: enough windows to go on side by side, and few enough to plan with few counts. */
const WINDOW_USERS = 5000;
/** For fewer, making the indexes takes as long as writing to them. */
const PUT_OFF_FROM = 20_000;
const APPLIED_AT_ONCE = 2;
/** Counts that differ only by what is under way agree a moment later. */
const RECOUNT_AFTER_MS = 1000;

export function createRunContext(deps: ReconcileDeps, options: RunOptions): RunContext {
  const { api, clock, lagMs, purgeLimit, log } = deps;
  const { windowUsers = WINDOW_USERS, putOffFrom = PUT_OFF_FROM, recountAfterMs = RECOUNT_AFTER_MS } = deps;
  const { patient: sql, unhurried } = deps.primary;
  const { run, kind, allowPurge, signal, onProgress, fence, findings } = options;
  const { beforeWindow = async () => {} } = options;
  // A check is short and urgent: a run that reads everything must not keep it waiting.
  const priority = kind.scope === "all" ? "walk" : "repair";
  return {
    ...{ runId: run.id, kind, allowPurge, signal, onProgress, fence, findings, beforeWindow },
    startedAtMs: run.started_at ?? clock.now(),
    clerk: createClerkReader(api, { priority, signal }),
    ...{ sql, unhurried, clock, lagMs, purgeLimit, windowUsers, putOffFrom, recountAfterMs, log },
    applyGate: createGate(APPLIED_AT_ONCE),
  };
}

/** How a run applies what Clerk says. */
export const applyOptionsOf = ({ lagMs, fence, kind, signal }: RunContext) => ({
  ...{ lagMs, fence, signal },
  dryRun: kind.dryRun,
});
