import { USER_COUNT } from "../../changes/counters.js";
import { ALIASES, type Table } from "../columns.js";
import type { Parameters } from "../parameters.js";
import type { Statement } from "../run.js";
import { fromOf, type Where, whereClause } from "../where.js";
import { bitsOfWord, wordOf } from "./active-bits.js";
import { elementsOf, groupingOf } from "./groupings.js";
import type { AggregateOrder, AggregateRequest, Group } from "./request.js";
import type { BoundedSeries } from "./spans.js";
import { everybodysDays, isDays, type Key, ordinals, pieceOf, spreadSteps } from "./spread.js";

/** Rows that empty buckets may add: groups times buckets. Beyond this, filling takes a second and more. */
const MOST_FILLED = 1_000_000;

export interface AggregateContext {
  where: Where;
  params: Parameters;
  nowMs: number;
  /** Of each group, null where it isn't a time. */
  series: readonly (BoundedSeries | null)[];
}

/**
 * Counts in steps, each over far fewer rows than the one before. `grouped`: by what is read of each user, so that texts of
 * arrays and of numbers are taken apart once for all users who have the same. `spread`: by the keys themselves. `filled`: with
 * the empty buckets too.
 */
export function aggregateStatement(request: AggregateRequest, context: AggregateContext): Statement {
  const { params } = context;
  const keys = request.groups.map((group, n): Key => {
    return { n, group, grouping: groupingOf(group), series: context.series[n] ?? null };
  });
  const names = keys.map(({ n }) => `k${n}`).join(", ");
  const others = keys.filter(({ series }) => series === null);
  const counted = countedSteps(keys, context);
  const steps = [
    ...counted.steps,
    ...(others.length > 0
      ? [`others as materialized (select distinct ${others.map(({ n }) => `k${n}`).join(", ")} from spread)`]
      : []),
    `filled as (
      select ${names}, sum(users)::bigint as users from (
        select ${names}, users from spread ${emptyBuckets(keys)}) as with_empty
      group by ${ordinals(keys.length)})`,
    `shown as (select *, ${shownCount(request.cumulative, keys)} as shown from filled)`,
  ];
  const text = `with ${steps.join(",\n    ")}
    select ${keys.map(({ n }) => `k${n}::text as key${n}`).join(", ")}, shown, users,
      (select sum(users) from spread)::bigint as in_groups, ${counted.total}::bigint as total,
      ${rowsToFill(keys)} as rows_to_fill, ${isOutside(keys)} as is_outside
    from shown order by ${orderOf(request.orders, keys).join(", ")} limit ${params.add(request.limit)}::bigint`;
  return { text, params };
}

/** Whether what this group is depends on when it is asked. */
export const isOfTheMoment = (group: Group): boolean =>
  group.kind === "value" && group.of.kind === "field" && group.of.name === "locked";

/** Whether filling was left undone, since there would be too many rows. */
export const isUnfilled = (rowsToFillCount: number): boolean => rowsToFillCount > MOST_FILLED;

/** `total`: how many users there are. */
interface Counted {
  steps: string[];
  total: string;
}

/** Up to `spread`. Of everybody's days alone, no user has to be read. */
function countedSteps(keys: readonly Key[], context: AggregateContext): Counted {
  const [first] = keys;
  const readsNobody = first && keys.length === 1 && isDays(first) && context.where.conditions.length === 0;
  if (readsNobody) return { steps: everybodysDays(first, context.nowMs), total: `(${USER_COUNT})` };
  const { steps, total } = groupedSteps(keys, context);
  return { steps: [...steps, ...spreadSteps(keys, context.nowMs)], total };
}

/**
 * Grouped right where users are read, because only then several processes do it. Where users are told apart by what they have in
 * rows of their own, they are counted once for each value, and those whom a filter keeps are found first (`matching`), so that
 * nobody else's rows are read. Where days of activity are a key, each group is cut by words, and has who is in it as bits.
 */
function groupedSteps(keys: readonly Key[], context: AggregateContext): Counted {
  const { conditions } = context.where;
  const tables = tablesFor(keys, context.where);
  const { from, id } = fromOf(context.where, [...tables]);
  const beside = keys.flatMap((key) => columnsBeside(key, tables, id, context));
  const apart = keys.flatMap(({ n, group }) => {
    const rows = elementsOf(group);
    return rows === null ? [] : [{ n, rows }];
  });
  const isOfDays = keys.some(isDays);
  const number = { sql: `${ALIASES.activity}.number`, name: "number" };
  const grouped = (columns: readonly string[], rows: string, numberIn = number.sql) => {
    const [read, counted] = [[...columns], ["count(*) as users"]];
    if (isOfDays) {
      read.push(`${wordOf(numberIn)} as word`);
      counted.push(`${bitsOfWord(numberIn)} as bits`);
    }
    return `grouped as materialized (
      select ${[...read, ...counted].join(", ")} from ${rows} group by ${ordinals(read.length)})`;
  };
  if (apart.length === 0) {
    const steps = [grouped(beside.map(named), `${from} ${whereClause(conditions)}`)];
    return { steps, total: "(select sum(users) from grouped)" };
  }
  const values = apart.map(({ n }) => `l${n}.v as g${n}`);
  const joined = (userId: string, which: string) =>
    apart.map(
      ({ n, rows }) => `
      left join (select distinct user_id, v from (${rows}) as e ${which}) as l${n} on l${n}.user_id = ${userId}`,
    );
  if (conditions.length === 0) {
    const steps = [grouped([...beside.map(named), ...values], from + joined(id, "").join(""))];
    return { steps, total: `(select count(*) from ${from})` };
  }
  const found = [`${id} as id`, ...[...beside, ...(isOfDays ? [number] : [])].map(named)].join(", ");
  const theirs = joined("matching.id", "where user_id in (select id from matching)");
  const steps = [
    `matching as materialized (select ${found} from ${from} ${whereClause(conditions)})`,
    grouped([...beside.map(({ name }) => name), ...values], `matching${theirs.join("")}`, number.name),
  ];
  return { steps, total: "(select count(*) from matching)" };
}

interface ReadColumn {
  sql: string;
  name: string;
}

const named = ({ sql, name }: ReadColumn) => `${sql} as ${name}`;

/** What is grouped by of one key; none where it is in rows of its own. */
function columnsBeside(
  { n, grouping, series }: Key,
  tables: ReadonlySet<Table>,
  id: string,
  { params, nowMs }: AggregateContext,
): ReadColumn[] {
  const table = grouping.in.find((known) => tables.has(known)) ?? "search";
  const [value, type] = grouping.read({ alias: ALIASES[table], id, params, nowMs });
  if (value === undefined) return [];
  const sql = series ? pieceOf(value, series) : value;
  return [{ sql, name: `g${n}` }, ...(type === undefined ? [] : [{ sql: type, name: `t${n}` }])];
}

/** As few tables as have everything. Those that the filter speaks of are read anyway. */
function tablesFor(keys: readonly Key[], where: Where): ReadonlySet<Table> {
  const tables = new Set(where.tables);
  // What is in one table alone decides first.
  for (const { grouping } of keys.toSorted(
    (one, other) => one.grouping.in.length - other.grouping.in.length,
  )) {
    const [fastest] = grouping.in;
    if (fastest && !grouping.in.some((table) => tables.has(table))) tables.add(fastest);
  }
  return tables;
}

/** A row with no users for each bucket and each of the other keys; it is summed up with the others. */
function emptyBuckets(keys: readonly Key[]): string {
  const times = keys.filter(({ series }) => series !== null);
  if (times.length === 0) return "";
  const columns = keys.map(({ n, series }) => (series ? `t${n}` : `k${n}`)).join(", ");
  const from = times.map(({ n, series }) => {
    const first = series?.isFromBound ? "0" : `(select min(k${n}) from spread)`;
    const last = series?.isToBound ? String(series.labels.length - 1) : `(select max(k${n}) from spread)`;
    return `generate_series(${first}, ${last}) as t${n}`;
  });
  const others = times.length < keys.length ? " cross join others" : "";
  return `union all
        select ${columns}, 0 from ${from.join(" cross join ")}${others} where ${rowsToFill(keys)} <= ${MOST_FILLED}`;
}

function rowsToFill(keys: readonly Key[]): string {
  const times = keys.filter(({ series }) => series !== null);
  if (times.length === 0) return "0";
  const buckets = times.reduce((product, { series }) => product * (series?.labels.length ?? 0), 1);
  // Five times 25,000 buckets are more than a bigint holds.
  return times.length < keys.length
    ? `(select count(*) * ${buckets}::float8 from others)`
    : `${buckets}::float8`;
}

function isOutside(keys: readonly Key[]): string {
  const outside = keys.filter(({ series }) => series !== null).map(({ n }) => `k${n} = -1`);
  return outside.length > 0 ? `exists (select from spread where ${outside.join(" or ")})` : "false";
}

/** Who has no time is before and after nobody. */
function shownCount(cumulative: boolean, keys: readonly Key[]): string {
  if (!cumulative) return "users";
  const others = keys.slice(1).map(({ n }) => `, k${n}`);
  return `case when k0 is null then users else
      sum(users) over (partition by k0 is null${others.join("")} order by k0) end`;
}

function orderOf(orders: readonly AggregateOrder[], keys: readonly Key[]): string[] {
  const byKey = (direction: string) => keys.flatMap((key) => orderOfKey(key, direction));
  const times = keys.filter(({ series }) => series !== null);
  const usual = times.length > 0 ? times.flatMap((key) => orderOfKey(key, "asc")) : ["shown desc"];
  const chosen = orders.flatMap((order) => {
    const direction = order.startsWith("-") ? "desc" : "asc";
    return order.endsWith("count") ? [`shown ${direction}`] : byKey(direction);
  });
  return [...(chosen.length > 0 ? chosen : usual), ...byKey("asc")];
}

/** Null comes last in both directions. Texts before numbers before booleans, as in jsonb, but texts by their bytes. */
function orderOfKey({ n, grouping }: Key, direction: string): string[] {
  const isNull = `k${n} is null`;
  switch (grouping.kind) {
    case "json":
      return [
        isNull,
        `array_position('{string,number,boolean,array,object}'::text[], jsonb_typeof(k${n})) ${direction}`,
        `case when jsonb_typeof(k${n}) = 'number' then (k${n} #>> '{}')::numeric end ${direction}`,
        `(k${n} #>> '{}') collate "C" ${direction}`,
      ];
    case "text":
    case "texts":
      return [isNull, `k${n} collate "C" ${direction}`];
    default:
      return [isNull, `k${n} ${direction}`];
  }
}
