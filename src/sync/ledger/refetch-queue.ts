import { plainArray, textArray } from "../../db/connection/bulk.js";
import type { Sql, Tx } from "../../db/connection/sql.js";

/** Clerk can't be asked for a membership by its id, so it is asked for by organization and user: `<id>/<id>`. */
export type RefetchKind = "user" | "organization" | "membership";

/** The reason if something was shown live that is a tombstone here. */
export const CONTRADICTED = "contradicted";

/** Something that Clerk must be asked about again. */
export interface Refetch {
  kind: RefetchKind;
  id: string;
  reason: string;
  /** The moment, in milliseconds on the primary's clock, before which asking is useless. */
  notBeforeMs?: number;
}

/** A question is settled by any answer whose request began after the doubt arose. */
export interface Settled {
  kind: RefetchKind;
  id: string;
  startedAtMs: number;
}

/**
 * Removes the questions that a transaction answers and adds those that it raises. All rows that it touches are locked
 * first, in order, so that two batches that share ids wait for each other instead of deadlocking. Everything is sent before
 * this returns.
 */
export function writeRefetches(
  tx: Tx,
  settled: readonly Settled[],
  queued: readonly Refetch[],
): Promise<unknown> {
  const answered =
    settled.length > 0 ? [lockRefetches(tx, [...settled, ...queued]), settleRefetches(tx, settled)] : [];
  return Promise.all([...answered, queueRefetches(tx, queued)]);
}

/**
 * Queues each id once, sorted. An id that waits already keeps its date, because it blocks the proof from that date
 * on.
 */
export async function queueRefetches(sql: Sql | Tx, refetches: readonly Refetch[]): Promise<unknown> {
  if (refetches.length === 0) return;
  const rows = sortedOnce(refetches);
  return sql`
    insert into mirror_data.refetches as q (kind, id, reason, since, next_at)
    select r.kind, r.id, r.reason, now_ms, greatest(now_ms, coalesce(r.not_before, 0))
    from unnest(
      ${textArray(rows.map((r) => r.kind))}::text::text[],
      ${textArray(rows.map((r) => r.id))}::text::text[],
      ${textArray(rows.map((r) => r.reason))}::text::text[],
      ${plainArray(rows.map((r) => r.notBeforeMs ?? null))}::text::bigint[]
    ) with ordinality as r(kind, id, reason, not_before, position),
    (select (extract(epoch from clock_timestamp()) * 1000)::bigint as now_ms) as clock
    order by r.position
    on conflict (kind, id) do update
      set reason = excluded.reason, next_at = least(q.next_at, excluded.next_at)`.execute();
}

function lockRefetches(tx: Tx, refetches: readonly { kind: RefetchKind; id: string }[]): Promise<unknown> {
  const rows = sortedOnce(refetches);
  return tx`
    select from mirror_data.refetches
    where (kind, id) in (
      select * from unnest(
        ${textArray(rows.map((r) => r.kind))}::text::text[],
        ${textArray(rows.map((r) => r.id))}::text::text[]
      )
    )
    order by kind, id
    for update`.execute();
}

function settleRefetches(tx: Tx, settled: readonly Settled[]): Promise<unknown> {
  return tx`
    delete from mirror_data.refetches q
    using unnest(
      ${textArray(settled.map((r) => r.kind))}::text::text[],
      ${textArray(settled.map((r) => r.id))}::text::text[],
      ${plainArray(settled.map((r) => Math.trunc(r.startedAtMs)))}::text::bigint[]
    ) as r(kind, id, started_at)
    -- A doubt from the future is from before the clock was set back.
    where q.kind = r.kind and q.id = r.id
      and (q.since <= r.started_at or q.since > extract(epoch from clock_timestamp()) * 1000)`.execute();
}

function sortedOnce<T extends { kind: RefetchKind; id: string }>(rows: readonly T[]): T[] {
  const once = new Map(rows.map((row) => [`${row.kind}\n${row.id}`, row]));
  return [...once.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
}
