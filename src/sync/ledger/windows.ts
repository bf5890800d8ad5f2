import type { Sql, Tx } from "../../db/connection/sql.js";

/** The lists of Clerk that runs read. */
export type ListKind = "users" | "organizations" | "memberships";

/** The bounds of creation times, both excluded, as in Clerk's parameters. Null: no bound. */
export interface Bounds {
  afterMs: number | null;
  beforeMs: number | null;
}

/** How far one part of a run has come: everything up to here is applied and committed. */
export interface Checkpoint {
  /** The last one applied. */
  cursorId: string | null;
  cursorCreatedAtMs: number | null;
  /** How many rows lie behind us, for an upstream without cursors that is read by offset. 0: read by cursor. */
  offset: number;
  done: boolean;
}

/** A part of the users that a run reads by itself. */
export interface Window extends Bounds {
  position: number;
  checkpoint: Checkpoint;
}

export const START: Checkpoint = { cursorId: null, cursorCreatedAtMs: null, offset: 0, done: false };
export const EVERYBODY: Bounds = { afterMs: null, beforeMs: null };

/**
 * Windows over parts that end at `lastsMs`; each includes its upper bound. Together they hold everybody, whenever
 * created. Each shares a millisecond with the next, so that an upstream that reads bounds off by one leaves no gap.
 */
export function windowsBetween(lastsMs: readonly number[]): Window[] {
  return [null, ...lastsMs].map((fromMs, position) => ({
    position,
    afterMs: fromMs === null ? null : fromMs - 1,
    beforeMs: (lastsMs[position] ?? null) === null ? null : (lastsMs[position] as number) + 1,
    checkpoint: START,
  }));
}

export async function saveWindows(sql: Sql | Tx, runId: string, windows: readonly Window[]): Promise<void> {
  for (const { position, afterMs, beforeMs } of windows) {
    await sql`
      insert into mirror_data.windows (run_id, what, position, after_ms, before_ms)
      values (${runId}, 'users', ${position}, ${afterMs}, ${beforeMs})
      on conflict do nothing`;
  }
}

export async function reopenWindows(sql: Sql | Tx, runId: string): Promise<void> {
  await sql`update mirror_data.windows set done = false where run_id = ${runId} and what = 'users'`;
}

/** The windows that were planned for this run. Empty before that. */
export async function loadWindows(sql: Sql, runId: string): Promise<Window[]> {
  const rows = await sql<WindowRow[]>`
    select position, after_ms, before_ms, cursor_id, cursor_created_at, page_offset, done
    from mirror_data.windows where run_id = ${runId} and what = 'users' order by position`;
  return rows.map((row) => ({
    position: row.position,
    afterMs: row.after_ms,
    beforeMs: row.before_ms,
    checkpoint: checkpointOf(row),
  }));
}

export async function loadCheckpoint(sql: Sql, runId: string, what: ListKind): Promise<Checkpoint> {
  const [row] = await sql<WindowRow[]>`
    select cursor_id, cursor_created_at, page_offset, done
    from mirror_data.windows where run_id = ${runId} and what = ${what} and position = 0`;
  return row ? checkpointOf(row) : START;
}

/** Call it in the transaction that applies what the checkpoint says is applied. */
export async function saveCheckpoint(
  sql: Sql | Tx,
  { runId, what, position = 0 }: { runId: string; what: ListKind; position?: number },
  at: Checkpoint,
): Promise<void> {
  await sql`
    insert into mirror_data.windows (run_id, what, position, cursor_id, cursor_created_at, page_offset, done)
    values (${runId}, ${what}, ${position}, ${at.cursorId}, ${at.cursorCreatedAtMs}, ${at.offset}, ${at.done})
    on conflict (run_id, what, position) do update
      set cursor_id = excluded.cursor_id, cursor_created_at = excluded.cursor_created_at,
        page_offset = excluded.page_offset, done = excluded.done`;
}

interface WindowRow {
  position: number;
  after_ms: number | null;
  before_ms: number | null;
  cursor_id: string | null;
  cursor_created_at: number | null;
  page_offset: number;
  done: boolean;
}

const checkpointOf = (row: WindowRow): Checkpoint => ({
  cursorId: row.cursor_id,
  cursorCreatedAtMs: row.cursor_created_at,
  offset: row.page_offset,
  done: row.done,
});

/** For people. */
export function describeBounds({ afterMs, beforeMs }: Bounds): string {
  const day = (ms: number) => new Date(ms).toISOString();
  if (afterMs === null && beforeMs === null) return "all users";
  if (afterMs === null) return `users created before ${day(beforeMs as number)}`;
  return beforeMs === null
    ? `users created after ${day(afterMs)}`
    : `users created between ${day(afterMs)} and ${day(beforeMs)}`;
}
