import { plainArray, textArray } from "../../db/connection/bulk.js";
import type { Sql, Tx } from "../../db/connection/sql.js";

/** Clerk can't be asked for a membership by its id, so it is asked for by organization and user: `<id>/<id>`. */
export type RefetchKind = "user" | "organization" | "membership";

/** When a session says that its user was active and signed in last, in milliseconds; null: it doesn't. */
export type Visit = [lastActiveAtMs: number | null, lastSignInAtMs: number | null];

/** Nobody has so many. */
export const ALL_VISITS = 2 ** 31 - 1;

/** So many visits of one user wait for Clerk's answer at most. */
const MOST_VISITS = 100;

/** The reason if something was shown live that is a tombstone here. */
export const CONTRADICTED = "contradicted";

/** Something that Clerk must be asked about again. */
export interface Refetch {
  kind: RefetchKind;
  id: string;
  reason: string;
  /** The moment, in milliseconds on the primary's clock, before which asking is useless. */
  notBeforeMs?: number;
  /** Of a user who isn't known: they are kept until there is an answer. */
  visits?: readonly Visit[];
}

/** A question is settled by any answer whose request began after the doubt arose, unless more visits wait for one than came with it. */
export interface Settled {
  kind: RefetchKind;
  id: string;
  startedAtMs: number;
  /** How many visits came with the answer. */
  visitsGiven: number;
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
  const rows = sortedOnce(withAllVisits(refetches));
  return sql`
    insert into mirror_data.refetches as q (kind, id, reason, since, next_at, visits)
    select r.kind, r.id, r.reason, now_ms, greatest(now_ms, coalesce(r.not_before, 0)), r.visits::jsonb
    from unnest(
      ${textArray(rows.map((r) => r.kind))}::text::text[],
      ${textArray(rows.map((r) => r.id))}::text::text[],
      ${textArray(rows.map((r) => r.reason))}::text::text[],
      ${plainArray(rows.map((r) => r.notBeforeMs ?? null))}::text::bigint[],
      ${textArray(rows.map(visitsColumn))}::text::text[]
    ) with ordinality as r(kind, id, reason, not_before, visits, position),
    (select (extract(epoch from clock_timestamp()) * 1000)::bigint as now_ms) as clock
    order by r.position
    on conflict (kind, id) do update
      set reason = excluded.reason, next_at = least(q.next_at, excluded.next_at),
        visits = case when jsonb_array_length(q.visits) >= ${MOST_VISITS}::integer then q.visits
          else coalesce(q.visits || excluded.visits, q.visits, excluded.visits) end`.execute();
}

const visitsColumn = ({ visits = [] }: Refetch) =>
  visits.length > 0 ? JSON.stringify(visits.slice(0, MOST_VISITS)) : null;

/** The visits of a user that wait for an answer. */
export async function visitsOf(sql: Sql, id: string): Promise<Visit[]> {
  const [row] = await sql<{ visits: string | null }[]>`
    select visits::text from mirror_data.refetches where kind = 'user' and id = ${id}`;
  return row?.visits ? JSON.parse(row.visits) : [];
}

function lockRefetches(tx: Tx, refetches: readonly Asked[]): Promise<unknown> {
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
      ${plainArray(settled.map((r) => Math.trunc(r.startedAtMs)))}::text::bigint[],
      ${plainArray(settled.map((r) => r.visitsGiven))}::text::integer[]
    ) as r(kind, id, started_at, visits_given)
    -- A doubt from the future is from before the clock was set back.
    where q.kind = r.kind and q.id = r.id
      and (q.since <= r.started_at or q.since > extract(epoch from clock_timestamp()) * 1000)
      and coalesce(jsonb_array_length(q.visits), 0) <= r.visits_given`.execute();
}

/** Of several questions about one id the last one counts, with the visits of all. */
function withAllVisits(refetches: readonly Refetch[]): Refetch[] {
  const all = new Map<string, readonly Visit[]>();
  return refetches.map((row) => {
    const visits = [...(all.get(keyOf(row)) ?? []), ...(row.visits ?? [])];
    all.set(keyOf(row), visits);
    return { ...row, visits };
  });
}

interface Asked {
  kind: RefetchKind;
  id: string;
}

const keyOf = ({ kind, id }: Asked) => `${kind}\n${id}`;

function sortedOnce<T extends Asked>(rows: readonly T[]): T[] {
  const once = new Map(rows.map((row) => [keyOf(row), row]));
  return [...once.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
}
