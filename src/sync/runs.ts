import { randomBytes } from "node:crypto";
import type { Sql, Tx } from "../db/client.js";
import { sqlText } from "../lib/text.js";

export type RunMode = "backfill" | "full" | "dry_run" | "incremental";
/** What a run is doing. */
export type Phase = "users" | "indexing" | "organizations" | "memberships" | "confirming";

/** How far a phase has come; `total` null while it isn't known. */
export type OnProgress = (progress: { phase: Phase; done: number; total: number | null }) => void;

export type RunState = "queued" | "running" | "succeeded" | "failed" | "stopped";

/** What a walk found different from what it should have known, and repaired. */
export interface Differences {
  missed_create: number;
  missed_update: number;
  missed_delete: number;
}

/** A run as `GET /mirror/runs/{id}` shows it; times in milliseconds. */
export interface Run {
  id: string;
  mode: string;
  state: RunState;
  queued_at: number;
  started_at: number | null;
  finished_at: number | null;
  users: { seen: number; expected: number | null };
  windows: { total: number; done: number };
  differences: Differences;
  requests: number;
  error: string | null;
}

export async function createRun(sql: Sql, mode: RunMode, nowMs: number): Promise<string> {
  const id = `run_${randomBytes(12).toString("hex")}`;
  await sql`
    insert into mirror_data.runs (id, mode, state, queued_at) values (${id}, ${mode}, 'queued', ${nowMs})`;
  return id;
}

export async function startRun(sql: Sql, id: string, nowMs: number): Promise<void> {
  await sql`
    update mirror_data.runs
    set state = 'running', started_at = coalesce(started_at, ${nowMs}), finished_at = null, error = null
    where id = ${id}`;
}

/** How far a run has come; `expected` null while it isn't known. */
export interface RunProgress {
  seen: number;
  expected: number | null;
  differences: Differences;
  requests: number;
}

/** Totals, not increments: repeating is safe. */
export async function saveProgress(sql: Sql | Tx, id: string, progress: RunProgress): Promise<void> {
  const { seen, expected, differences, requests } = progress;
  await sql`
    update mirror_data.runs set
      users_seen = ${seen}, users_expected = ${expected}, requests = ${requests},
      missed_create = ${differences.missed_create}, missed_update = ${differences.missed_update},
      missed_delete = ${differences.missed_delete}
    where id = ${id}`;
}

export async function finishRun(
  sql: Sql,
  id: string,
  end: { state: RunState; error: string | null; nowMs: number },
): Promise<void> {
  const error = end.error && sqlText(end.error).slice(0, 2000);
  await sql`
    update mirror_data.runs set state = ${end.state}, error = ${error}, finished_at = ${end.nowMs} where id = ${id}`;
}

export async function findRun(sql: Sql, id: string): Promise<Run | null> {
  const [row] = await sql<RunRow[]>`${runRows(sql)} where r.id = ${id}`;
  return row ? present(row) : null;
}

/** The latest first. */
export async function latestRuns(sql: Sql, limit: number): Promise<Run[]> {
  const rows = await sql<RunRow[]>`${runRows(sql)} order by r.queued_at desc, r.id desc limit ${limit}`;
  return rows.map(present);
}

/** A backfill that was begun and not ended, whose checkpoints are worth going on from. */
export async function unfinishedBackfill(sql: Sql): Promise<string | null> {
  const [row] = await sql<{ id: string }[]>`
    select id from mirror_data.runs
    where mode = 'backfill' and state <> 'succeeded' order by queued_at desc limit 1`;
  return row?.id ?? null;
}

/** What a process that died left as running; backfills aside, which are resumed. */
export async function failInterruptedRuns(sql: Sql, nowMs: number): Promise<void> {
  await sql`
    update mirror_data.runs set state = 'failed', error = 'The process ended before the run did.', finished_at = ${nowMs}
    where state in ('queued', 'running') and mode <> 'backfill'`;
}

/** How many users reconciles have deleted since then. */
export async function deletionsSince(sql: Sql, sinceMs: number): Promise<number> {
  const [row] = await sql<{ n: number }[]>`
    select coalesce(sum(missed_delete), 0)::bigint as n from mirror_data.runs
    where mode in ('full', 'incremental') and started_at >= ${sinceMs}`;
  return row?.n ?? 0;
}

interface RunRow {
  id: string;
  mode: string;
  state: RunState;
  queued_at: number;
  started_at: number | null;
  finished_at: number | null;
  users_seen: number;
  users_expected: number | null;
  missed_create: number;
  missed_update: number;
  missed_delete: number;
  requests: number;
  error: string | null;
  windows_total: number;
  windows_done: number;
}

function runRows(sql: Sql) {
  return sql`
    select r.id, r.mode, r.state, r.queued_at, r.started_at, r.finished_at, r.users_seen, r.users_expected,
      r.missed_create, r.missed_update, r.missed_delete, r.requests, r.error, w.windows_total, w.windows_done
    from mirror_data.runs r
    cross join lateral (
      select count(*) as windows_total, count(*) filter (where done) as windows_done
      from mirror_data.windows where run_id = r.id) w`;
}

function present(row: RunRow): Run {
  const {
    users_seen,
    users_expected,
    missed_create,
    missed_update,
    missed_delete,
    windows_total,
    windows_done,
  } = row;
  return {
    id: row.id,
    mode: row.mode,
    state: row.state,
    queued_at: row.queued_at,
    started_at: row.started_at,
    finished_at: row.finished_at,
    users: { seen: users_seen, expected: users_expected },
    windows: { total: windows_total, done: windows_done },
    differences: { missed_create, missed_update, missed_delete },
    requests: row.requests,
    error: row.error,
  };
}
