import { randomBytes } from "node:crypto";
import type { Sql, Tx } from "../../db/connection/sql.js";
import { sqlText } from "../../lib/text.js";
import type { Pace, RunMode } from "./run-kinds.js";

/** What a run is doing. */
export type Phase = "users" | "indexing" | "organizations" | "memberships" | "confirming";

/** How far a phase has come; `total` null while it isn't known. */
export type OnProgress = (progress: { phase: Phase; done: number; total: number | null }) => void;

export const RUN_STATES = ["queued", "running", "succeeded", "failed", "stopped"] as const;
export type RunState = (typeof RUN_STATES)[number];

/** Why a user here differed from Clerk's: the kind of message that should have told the mirror. */
export const REASONS = ["missed_create", "missed_update", "missed_delete"] as const;
export type Reason = (typeof REASONS)[number];

/** What a run found to differ. It repaired that, unless it was a dry run. */
export type Differences = Record<Reason, number>;
/** The users it was, as far as they are kept. */
export type DifferenceIds = Partial<Record<Reason, string[]>>;

/** A run as `GET /mirror/runs/{id}` shows it; times in milliseconds. */
export interface Run {
  id: string;
  mode: RunMode;
  state: RunState;
  queued_at: number;
  started_at: number | null;
  finished_at: number | null;
  users: { seen: number; expected: number | null };
  windows: { total: number; done: number };
  differences: Differences;
  /** The first ids by reason, at most 100 each. */
  difference_ids: DifferenceIds;
  requests: number;
  /** When the run will end if it goes on like this. Null if it isn't running, or if nothing can be said yet. */
  eta: number | null;
  error: string | null;
}

export interface QueuedRun {
  id: string;
  mode: RunMode;
  allowPurge: boolean;
}

export async function createRun(
  sql: Sql | Tx,
  mode: RunMode,
  nowMs: number,
  { allowPurge = false, pace = "at_once" }: { allowPurge?: boolean; pace?: Pace } = {},
): Promise<string> {
  const id = `run_${randomBytes(12).toString("hex")}`;
  await sql`
    insert into mirror_data.runs (id, mode, state, queued_at, allow_purge, rolling)
    values (${id}, ${mode}, 'queued', ${nowMs}, ${allowPurge}, ${pace === "spread"})`;
  return id;
}

/** All processes of all versions must use this number. */
const QUEUE_LOCK = 7_310_214_403;

/**
 * Queues a run, unless the same one waits already, which will see everything that this one would. So no more runs
 * wait than there are kinds. `isNew`: nobody had asked for it before.
 */
export async function queueRun(
  sql: Sql,
  mode: RunMode,
  nowMs: number,
  { allowPurge = false } = {},
): Promise<{ id: string; isNew: boolean }> {
  return (await sql.begin(async (tx) => {
    await tx`select pg_advisory_xact_lock(${QUEUE_LOCK}::bigint)`;
    const [same] = await tx<{ id: string }[]>`
      select id from mirror_data.runs
      where state = 'queued' and not rolling and mode = ${mode} and allow_purge = ${allowPurge}
        -- One that was interrupted goes on where it stood, behind what it has seen.
        and attempts = 0
      order by queued_at, id limit 1`;
    if (same) return { id: same.id, isNew: false };
    return { id: await createRun(tx, mode, nowMs, { allowPurge }), isNew: true };
  })) as { id: string; isNew: boolean };
}

/** The run that has waited longest, whoever queued it. Dry runs come after those that repair. */
export async function nextQueued(sql: Sql): Promise<QueuedRun | null> {
  const [row] = await sql<{ id: string; mode: RunMode; allow_purge: boolean }[]>`
    select id, mode, allow_purge from mirror_data.runs
    where state = 'queued' and not rolling
    order by mode in ('dry_run', 'drift'), queued_at, id limit 1`;
  return row ? { id: row.id, mode: row.mode, allowPurge: row.allow_purge } : null;
}

/**
 * Also starts a run that was begun before; it keeps the moment of its first start. Returns whether it may be done: a person may have
 * stopped it meanwhile.
 */
export async function startRun(sql: Sql | Tx, id: string, nowMs: number): Promise<boolean> {
  const { count } = await sql`
    update mirror_data.runs
    set state = 'running', started_at = coalesce(started_at, ${nowMs}), finished_at = null, error = null,
      attempts = attempts + 1
    where id = ${id} and stopped_by is null`;
  return count > 0;
}

/** How far a run has come. `expected` is null while it isn't known. */
export interface RunProgress {
  seen: number;
  expected: number | null;
  differences: Differences;
  differenceIds: DifferenceIds;
  requests: number;
}

/** These are totals, not increments, so repeating is safe. */
export async function saveProgress(sql: Sql | Tx, id: string, progress: RunProgress): Promise<void> {
  const { seen, expected, differences, differenceIds, requests } = progress;
  await sql`
    update mirror_data.runs set
      users_seen = ${seen}, users_expected = ${expected}, requests = ${requests},
      missed_create = ${differences.missed_create}, missed_update = ${differences.missed_update},
      missed_delete = ${differences.missed_delete},
      difference_ids = ${JSON.stringify(differenceIds)}::text::jsonb
    where id = ${id}`;
}

export async function finishRun(
  sql: Sql | Tx,
  id: string,
  end: { state: RunState; error: string | null; nowMs: number },
): Promise<void> {
  const error = end.error && sqlText(end.error).slice(0, 2000);
  await sql`
    update mirror_data.runs set state = ${end.state}, error = ${error}, finished_at = ${end.nowMs}
    where id = ${id} and stopped_by is null`;
}

/** Only these end for good: the mirror begins a backfill or a sweep again until it is done. */
const STOPPABLE: readonly RunMode[] = ["full", "incremental", "dry_run", "drift"];

/** `unstoppable`: it would only be begun again. `ended`: it had ended before. */
export type StopOutcome = "stopped" | "ended" | "unstoppable" | "unknown";

/**
 * Ends a run for good, for the person who asked by the key of this name. Whatever it has repaired stays. The process that does it
 * notices within a second or two; nobody does one that waits.
 */
export async function stopRun(
  sql: Sql,
  id: string,
  { by, nowMs }: { by: string; nowMs: number },
): Promise<StopOutcome> {
  const error = `It was stopped, by the key "${sqlText(by)}". What it had repaired by then stays.`;
  const { count } = await sql`
    update mirror_data.runs set state = 'stopped', stopped_by = ${sqlText(by)}, error = ${error}, finished_at = ${nowMs}
    where id = ${id} and state in ('queued', 'running') and mode in ${sql([...STOPPABLE])}`;
  if (count > 0) return "stopped";
  const run = await findRun(sql, id);
  if (!run) return "unknown";
  const isOpen = run.state === "queued" || run.state === "running";
  return isOpen && !STOPPABLE.includes(run.mode) ? "unstoppable" : "ended";
}

/** Whether a person has stopped it. */
export async function isRunStopped(sql: Sql, id: string): Promise<boolean> {
  const [row] = await sql`select from mirror_data.runs where id = ${id} and stopped_by is not null`;
  return row !== undefined;
}

export async function findRun(sql: Sql, id: string): Promise<Run | null> {
  const [row] = await sql<RunRow[]>`${runRows(sql)} where r.id = ${id}`;
  return row ? present(row) : null;
}

/** Which runs are listed; null: all. */
export interface RunSelection {
  mode?: RunMode | null;
  state?: RunState | null;
  /** Only runs that found something. */
  withDifferences?: boolean;
  /** Only runs that were queued before the one with this id. */
  before?: string | null;
}

/** The latest first. */
export async function latestRuns(
  sql: Sql,
  limit: number,
  { mode = null, state = null, withDifferences = false, before = null }: RunSelection = {},
): Promise<Run[]> {
  const rows = await sql<RunRow[]>`
    ${runRows(sql)}
    where (${mode}::text is null or r.mode = ${mode}) and (${state}::text is null or r.state = ${state})
      and (not ${withDifferences} or r.missed_create + r.missed_update + r.missed_delete > 0)
      and (${before}::text is null
        or (r.queued_at, r.id) < (select b.queued_at, b.id from mirror_data.runs b where b.id = ${before}))
    order by r.queued_at desc, r.id desc limit ${limit}`;
  return rows.map(present);
}

/** A backfill that was begun and not ended: its checkpoints are worth continuing. */
export async function unfinishedBackfill(sql: Sql): Promise<string | null> {
  const [row] = await sql<{ id: string }[]>`
    select id from mirror_data.runs
    where mode = 'backfill' and state <> 'succeeded' order by queued_at desc limit 1`;
  return row?.id ?? null;
}

export async function queueAgain(sql: Sql, id: string): Promise<void> {
  await sql`update mirror_data.runs set state = 'queued', finished_at = null where id = ${id}`;
}

/** How often a run may end its process before the run itself is taken for the cause. */
const MOST_ATTEMPTS = 3;

/**
 * Queues again the runs of a process that died or lost its lease, and gives them up after a few times. Backfills and
 * rolling runs are found and resumed by the processes that do them.
 */
export async function requeueInterrupted(sql: Sql | Tx, nowMs: number): Promise<void> {
  await sql`
    update mirror_data.runs set
      state = case when attempts < ${MOST_ATTEMPTS}::int then 'queued' else 'failed' end,
      finished_at = case when attempts < ${MOST_ATTEMPTS}::int then null else ${nowMs}::bigint end,
      error = 'The process ended before the run did.'
    where state = 'running' and mode <> 'backfill' and not rolling`;
}

/** How many users runs have deleted since then. Those that PURGE_LIMIT stopped have deleted nobody. */
export async function deletionsSince(sql: Sql, sinceMs: number): Promise<number> {
  const [row] = await sql<{ n: number }[]>`
    select coalesce(sum(missed_delete), 0)::bigint as n from mirror_data.runs
    where mode in ('full', 'incremental') and (state <> 'stopped' or stopped_by is not null) and coalesce(finished_at, started_at) >= ${sinceMs}`;
  return row?.n ?? 0;
}

/** A run as it is stored: its numbers in columns, and `now` to foresee its end. */
interface RunRow extends Omit<Run, "users" | "windows" | "differences" | "eta"> {
  users_seen: number;
  users_expected: number | null;
  missed_create: number;
  missed_update: number;
  missed_delete: number;
  now: number;
  windows_total: number;
  windows_done: number;
}

function runRows(sql: Sql) {
  return sql`
    select r.id, r.mode, r.state, r.queued_at, r.started_at, r.finished_at, r.users_seen, r.users_expected,
      r.missed_create, r.missed_update, r.missed_delete, r.difference_ids, r.requests, r.error,
      (extract(epoch from clock_timestamp()) * 1000)::bigint as now, w.windows_total, w.windows_done
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
    difference_ids: row.difference_ids,
    requests: row.requests,
    eta: etaOf(row),
    error: row.error,
  };
}

function etaOf({ state, started_at, users_seen, users_expected, now }: RunRow): number | null {
  if (state !== "running" || started_at === null || users_expected === null || users_seen === 0) return null;
  const share = Math.min(1, users_seen / users_expected);
  return Math.max(now, Math.round(started_at + (now - started_at) / share));
}
