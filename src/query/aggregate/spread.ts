import { USER_COUNT } from "../../changes/counters.js";
import { bitsOfChunk, chunkOf, isPossibleDay, MS_OF_DAY, NO_BITS } from "./active-bits.js";
import type { Series } from "./buckets.js";
import type { Grouping } from "./groupings.js";
import type { Group } from "./request.js";
import type { BoundedSeries } from "./spans.js";

/** One field by which is grouped. `n`: its number, by which the columns of the statement are named. */
export interface Key {
  n: number;
  group: Group;
  grouping: Grouping;
  series: BoundedSeries | null;
}

export const isDays = ({ grouping }: Key) => grouping.kind === "days";

/** Which piece a time is in. The pieces are a constant and no parameter: what Postgres has to read from a text, it would read anew for each row. */
export const pieceOf = (ms: string, { starts, endMs }: Series) =>
  `width_bucket(${ms}, '{${(starts.length > 0 ? [...starts, endMs] : []).join(",")}}'::bigint[])`;

/** A time that is in no bucket is in the bucket -1. */
export const bucketOf = (piece: string, series: Series | null) =>
  `coalesce(('{${series?.numbers.join(",") ?? ""}}'::int[])[${piece}], -1)`;

/** Counts by the keys themselves, from what was grouped by what is read of each user. */
export function spreadSteps(keys: readonly Key[], nowMs: number): string[] {
  const days = keys.find(isDays);
  const own = keys.filter((key) => key !== days);
  const joins = own.map(spreadJoin).join(" ");
  if (!days) {
    return [
      `spread as materialized (
      select ${own.map(spreadKey).join(", ")}, sum(users)::bigint as users
      from grouped ${joins} group by ${ordinals(own.length)})`,
    ];
  }
  const counted = (day: string, bits: string, rows: string) => `
      select ${keys.map((key) => (key === days ? `${day} as k${key.n}` : `sets.k${key.n}`)).join(", ")},
        sum(bit_count(${bits}))::bigint as users
      from ${rows} group by ${ordinals(keys.length)} having sum(bit_count(${bits})) > 0`;
  return [
    `sets as materialized (
      select ${[...own.map(spreadKey), `${chunkOf("word")} as chunk`].join(", ")}, ${bitsOfChunk("word", "bits")} as bits
      from grouped ${joins} group by ${ordinals(own.length + 1)})`,
    ...activeSteps(days, nowMs),
    `spread as materialized (${counted("active.bucket", "sets.bits & active.bits", "sets join active using (chunk)")}
      union all${counted("null::integer", `sets.bits & ~coalesce(ever.bits, ${NO_BITS})`, "sets left join ever using (chunk)")})`,
  ];
}

/** The same of all users by their days alone. Bits are of those who exist: whoever is deleted takes them along. */
export function everybodysDays(days: Key, nowMs: number): string[] {
  return [
    ...activeSteps(days, nowMs),
    `never as (select (${USER_COUNT}) - coalesce(sum(bit_count(bits)), 0) as users from ever)`,
    `spread as materialized (
      select bucket as k${days.n}, sum(bit_count(bits))::bigint as users from active group by 1 having sum(bit_count(bits)) > 0
      union all select null::integer, users::bigint from never where users > 0)`,
  ];
}

/**
 * `active`: who was active in each bucket, a row for each chunk. Days are those of UTC, so that a bucket of one day has one row
 * already; longer ones are far fewer rows, of which the rest is made. `ever`: who was active in any.
 */
function activeSteps({ group, series }: Key, nowMs: number): string[] {
  const bucket = series ? bucketOf(pieceOf(MS_OF_DAY, series), series) : "-1";
  const days = `from mirror_data.active_days a where ${isPossibleDay(nowMs)}`;
  return group.kind === "time" && group.bucket === "day"
    ? [
        `active as (select ${bucket} as bucket, a.chunk, a.bits ${days})`,
        `ever as (select a.chunk, bit_or(a.bits) as bits ${days} group by 1)`,
      ]
    : [
        `active as materialized (select ${bucket} as bucket, a.chunk, bit_or(a.bits) as bits ${days} group by 1, 2)`,
        "ever as (select chunk, bit_or(bits) as bits from active group by 1)",
      ];
}

function spreadKey({ n, grouping, series }: Key): string {
  switch (grouping.kind) {
    case "time":
      return `case when g${n} is not null then ${bucketOf(`g${n}`, series)} end as k${n}`;
    case "json":
    case "texts":
      return `v${n}.v as k${n}`;
    default:
      return `g${n} as k${n}`;
  }
}

/**
 * A user has each value once. Whoever has none is joined to null. Only where there can be several are they looked for twins, which
 * takes ten times as long.
 */
function spreadJoin({ n, grouping }: Key): string {
  switch (grouping.kind) {
    case "texts":
      return `left join lateral unnest(case when cardinality(g${n}) < 2 then g${n}
        else array(select distinct v from unnest(g${n}) as e(v)) end) as v${n}(v) on true`;
    case "json":
      return `left join lateral unnest(case t${n}
        when 'array' then array(select distinct nullif(v, 'null') from jsonb_array_elements(g${n}::jsonb) as e(v))
        when 'string' then array[to_jsonb(g${n})]
        else array[g${n}::jsonb] end) as v${n}(v) on true`;
    default:
      return "";
  }
}

export const ordinals = (count: number) => Array.from({ length: count }, (_, n) => n + 1).join(", ");
