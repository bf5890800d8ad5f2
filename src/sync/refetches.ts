import { plainArray, textArray } from "../db/bulk.js";
import type { Sql, Tx } from "../db/client.js";

export type RefetchKind = "user" | "organization";

/** Something that must be asked of Clerk again. */
export interface Refetch {
  kind: RefetchKind;
  id: string;
  reason: string;
  /** Milliseconds on the primary's clock before which asking is useless. */
  notBeforeMs?: number;
}

/** Queues each id once, sorted; one that waits already keeps its date, because it blocks the proof of sync from then on. */
export async function queueRefetches(sql: Sql | Tx, refetches: readonly Refetch[]): Promise<void> {
  if (refetches.length === 0) return;
  const once = new Map(refetches.map((r) => [`${r.kind}\n${r.id}`, r]));
  const rows = [...once.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
  await sql`
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
      set reason = excluded.reason, next_at = least(q.next_at, excluded.next_at)`;
}

/** An answer that Clerk gave to a request begun after the doubt arose settles it. */
export async function settleRefetches(
  tx: Tx,
  kind: RefetchKind,
  answers: readonly { id: string; startedAtMs: number }[],
) {
  if (answers.length === 0) return;
  const rows = [...answers].sort((a, b) => (a.id < b.id ? -1 : 1));
  await tx`
    delete from mirror_data.refetches q
    using unnest(
      ${textArray(rows.map((r) => r.id))}::text::text[],
      ${plainArray(rows.map((r) => Math.trunc(r.startedAtMs)))}::text::bigint[]
    ) as r(id, started_at)
    where q.kind = ${kind} and q.id = r.id and q.since <= r.started_at`;
}
