import type { Sql, Tx } from "../db/client.js";

export type Walked = "users" | "organizations" | "memberships";

/** How far one part of a run has come: everything up to here is applied and committed. */
export interface Checkpoint {
  /** The last one applied. */
  cursorId: string | null;
  cursorCreatedAtMs: number | null;
  /** Rows behind us, where an upstream without cursors is walked by offset; 0: by cursor. */
  offset: number;
  done: boolean;
}

export const START: Checkpoint = { cursorId: null, cursorCreatedAtMs: null, offset: 0, done: false };

export async function loadCheckpoint(sql: Sql, runId: string, what: Walked): Promise<Checkpoint> {
  const [row] = await sql<
    { cursor_id: string | null; cursor_created_at: number | null; page_offset: number; done: boolean }[]
  >`
    select cursor_id, cursor_created_at, page_offset, done
    from mirror_data.windows where run_id = ${runId} and what = ${what} and position = 0`;
  if (!row) return START;
  return {
    cursorId: row.cursor_id,
    cursorCreatedAtMs: row.cursor_created_at,
    offset: row.page_offset,
    done: row.done,
  };
}

/** In the transaction that applies what the checkpoint says is applied. */
export async function saveCheckpoint(
  sql: Sql | Tx,
  runId: string,
  what: Walked,
  at: Checkpoint,
): Promise<void> {
  await sql`
    insert into mirror_data.windows (run_id, what, position, cursor_id, cursor_created_at, page_offset, done)
    values (${runId}, ${what}, 0, ${at.cursorId}, ${at.cursorCreatedAtMs}, ${at.offset}, ${at.done})
    on conflict (run_id, what, position) do update
      set cursor_id = excluded.cursor_id, cursor_created_at = excluded.cursor_created_at,
        page_offset = excluded.page_offset, done = excluded.done`;
}
