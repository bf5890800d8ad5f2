import type { Sql } from "../../db/connection/sql.js";
import { AppError } from "../../lib/errors.js";
import { fenced } from "../ledger/lease.js";
import { loadWindows } from "../ledger/windows.js";
import { refuseWrongInstance } from "./guards.js";
import { reconcileOrganizations } from "./organizations.js";
import { closeWindow, plannedWindows } from "./over-windows.js";
import { planByOwnUsers } from "./plan.js";
import { prepare } from "./prepare.js";
import type { RunContext } from "./run-context.js";
import { deleteConfirmed, verifyBounds } from "./verify.js";

/** The last window begins a little before the interval ends, so that all of them end within it. */
const SPREAD = 0.9;

/** The run that is spread over the interval at present, and when its next window is due. */
export interface RollingRun {
  id: string;
  dueMs: number;
}

/** Null: none was begun, or the last one has ended. */
export async function currentRolling(
  sql: Sql,
  intervalMs: number,
  nowMs: number,
): Promise<RollingRun | null> {
  const [row] = await sql<{ id: string; started_at: number }[]>`
    select id, started_at from mirror_data.runs
    where rolling and state = 'running' order by started_at desc limit 1`;
  if (!row) return null;
  const windows = await loadWindows(sql, row.id);
  const done = windows.filter(({ checkpoint }) => checkpoint.done).length;
  const share = windows.length === 0 ? 0 : done / windows.length;
  // It was begun in the future: the clock was set back, and nobody knows when it really began.
  if (row.started_at > nowMs) return { id: row.id, dueMs: nowMs };
  return { id: row.id, dueMs: row.started_at + share * intervalMs * SPREAD };
}

/** When everything was begun to be read for the last time, by whichever kind of run; 0: never. */
export async function lastFullStart(sql: Sql, nowMs: number): Promise<number> {
  const [row] = await sql<{ at: number | null }[]>`
    select max(started_at) as at from mirror_data.runs
    where mode in ('backfill', 'full') and (state = 'succeeded' or rolling) and started_at <= ${nowMs}`;
  return row?.at ?? 0;
}

/**
 * Does the next part of a run that reads everything a window at a time: plans it, or compares and repairs one window, or,
 * when all are done, compares the organizations. Returns whether it was the last part.
 */
export async function stepRolling(run: RunContext): Promise<boolean> {
  const { sql, clerk, runId } = run;
  const planned = await loadWindows(sql, runId);
  if (planned.length === 0) {
    await prepare(run);
    await plannedWindows(run, planByOwnUsers);
    return false;
  }
  // Hours pass between two parts.
  await refuseWrongInstance(sql, clerk);
  const next = planned.find(({ checkpoint }) => !checkpoint.done);
  if (!next) {
    await reconcileOrganizations(run);
    return true;
  }
  await deleteConfirmed(run, await verifyBounds(run, next));
  await closeWindow(run, next);
  return false;
}

/** What went wrong with a part that will be tried again, for people to see. */
export async function noteTrouble(run: RunContext, error: unknown): Promise<void> {
  const message = error instanceof AppError ? error.message : String(error);
  await fenced(
    run.sql,
    run.fence,
    (tx) => tx`update mirror_data.runs set error = ${message.slice(0, 2000)} where id = ${run.runId}`,
  );
}
