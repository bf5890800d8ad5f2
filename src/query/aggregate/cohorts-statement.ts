import type { Parameters } from "../parameters.js";
import type { Statement } from "../run.js";
import { fromOf, type Where, whereClause } from "../where.js";
import { bitsOfChunk, bitsOfWord, chunkOf, wordOf } from "./active-bits.js";
import type { Series } from "./buckets.js";
import type { RetentionRequest } from "./cohorts-request.js";
import { type Periods, periodsOf } from "./periods.js";
import { bucketOf, pieceOf } from "./spread.js";

/** The first and the last period of which there are days. */
export interface Told {
  from: number;
  to: number;
}

export interface RetentionContext {
  where: Where;
  params: Parameters;
  series: Series;
  /** The period that each cohort is. */
  cohorts: readonly number[];
  /** Null: there are no days. */
  told: Told | null;
}

/** The cohort of who is in none of the series. */
export const OUTSIDE = -1;

/**
 * A row for each cohort, with null and how many users it has, and for each of its periods in which somebody was active: how many
 * periods after the cohort's own, and how many were.
 */
export function retentionStatement(
  { cohort, periods }: RetentionRequest,
  { where, params, series, cohorts, told }: RetentionContext,
): Statement {
  const { from } = fromOf(where, ["activity"], []);
  const after = `active.period - ('{${cohorts.join(",")}}'::integer[])[cohorts.cohort + 1]`;
  const text = `with grouped as materialized (
      select ${pieceOf("a.created_at", series)} as piece, ${wordOf("a.number")} as word,
        count(*) as users, ${bitsOfWord("a.number")} as bits
      from ${from} ${whereClause(where.conditions)} group by 1, 2),
    cohorts as materialized (
      select ${bucketOf("piece", series)} as cohort, ${chunkOf("word")} as chunk,
        sum(users) as users, ${bitsOfChunk("word", "bits")} as bits
      from grouped group by 1, 2),
    active as materialized (
      select ${periodsOf(cohort).sql("a.day")} as period, a.chunk, bit_or(a.bits) as bits
      from mirror_data.active_days a
      where ${daysOf(periodsOf(cohort), told, params)} and a.chunk in (select chunk from cohorts) group by 1, 2)
    select cohort, null::integer as after, sum(users)::bigint as users from cohorts group by 1
    union all
    select cohort, ${after}, sum(bit_count(cohorts.bits & active.bits))::bigint
    from cohorts join active using (chunk)
    where ${after} between 0 and ${params.add(periods - 1)}::integer group by 1, 2`;
  return { text, params };
}

function daysOf(periods: Periods, told: Told | null, params: Parameters): string {
  if (!told) return "false";
  const date = (period: number) => `date '1970-01-01' + ${params.add(periods.firstDayOf(period))}::integer`;
  return `a.day >= ${date(told.from)} and a.day < ${date(told.to + 1)}`;
}
