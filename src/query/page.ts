import { USER_COUNT } from "../changes/counters.js";
import { ALIASES, type Column } from "./columns.js";
import { ORDER_COLUMNS, type OrderBy } from "./order.js";
import type { Parameters } from "./parameters.js";
import { SHOWN_COLUMNS } from "./present.js";
import { fromOf, type Where, whereClause } from "./where.js";

export interface PageRequest {
  orderBy: OrderBy;
  limit: number;
  offset: number;
  /** The user before the page; only with the order `created_at`. */
  after: { id: string; createdAtMs: number } | null;
  /** Read from the end of the list: cheaper for an offset beyond half of an unfiltered list. */
  fromEnd: boolean;
}

/**
 * The statement for one page. It first reads the ids, from narrow tables and their indexes, and then looks up the payloads
 * of these few one by one: `offset 0` keeps the planner from turning that into a scan of all payloads when it expects many.
 * Rows come in order, nulls last in both directions. One plain index can't put nulls last both ways, so users without a
 * value are a branch of their own behind the others.
 */
export function pageStatement(where: Where, request: PageRequest, params: Parameters): string {
  const order = orderOf(where, request.orderBy);
  return `with ${pageOfIds(where, order, request, params)}
    select ${SHOWN_COLUMNS}
    from ids cross join lateral (
      select * from mirror_data.users u where u.id = ids.id and u.payload is not null offset 0) as u
    order by ids.branch, ids.position`;
}

/** Whoever is gathered is put in order by what stands beside the text: another table would be one more to look everybody up in. */
function orderOf({ source }: Where, { field }: OrderBy): Column {
  const order: Column = ORDER_COLUMNS[field];
  const { beside } = order;
  return source !== null && beside !== undefined ? { ...order, sql: beside, table: "search" } : order;
}

/** The count of what `pageStatement` pages through. */
export function countStatement(where: Where): string {
  if (where.everyMatch !== null) return `select count(*)::bigint as n from (${where.everyMatch}) as matching`;
  return `select count(*)::bigint as n from ${fromOf(where, [], []).from} ${whereClause(where.conditions)}`;
}

function pageOfIds(where: Where, order: Column, request: PageRequest, params: Parameters): string {
  const { sql: column, nullable } = order;
  const { fromEnd } = request;
  const { from: tables } = fromOf(where, [order.table], [column]);
  const id = `${ALIASES[order.table]}.id`;
  const direction = request.orderBy.descending === fromEnd ? "asc" : "desc";
  const { most, limit, offset } = sliceOf(request, params);
  const branch = (conditions: readonly string[], keys: readonly string[]) => ({
    rows: `from ${tables} ${whereClause(conditions)}`,
    order: `order by ${keys.map((key) => `${key} ${direction}`).join(", ")}`,
  });
  const conditions = [...where.conditions, ...cursorCondition(request, params)];
  const present = branch([...conditions, ...(nullable ? [`${column} is not null`] : [])], [column, id]);
  // All of them are null, but only when the column is named too does the planner know that its index is in order.
  const absent = branch([...conditions, `${column} is null`], [column, id]);

  const [one, other] = fromEnd && nullable ? [absent, present] : [present, absent];
  const first = `first as materialized (
      select ${id} as id ${one.rows} ${one.order} limit ${limit} offset ${offset})`;
  const numbered = (name: string, number: number) => {
    const sign = fromEnd ? "-" : "";
    return `select id, ${sign}${number} as branch, ${sign}row_number() over () as position from ${name}`;
  };
  // There are never more. But where the limit is an expression the planner expects a tenth of all users, and would read
  // everybody's payload.
  const idsOf = (rows: string) => `ids as (select * from (${rows}) as numbered limit ${most})`;
  if (!nullable) return `${first}, ${idsOf(numbered("first", 1))}`;

  // How many rows of the first branch come before the page. Evaluated only when the page reaches the second branch; in their
  // order, because that index has them all.
  const before = `(select count(*) from (select ${one.rows} ${one.order} limit ${offset}) skipped)`;
  const second = `second as materialized (
      select ${id} as id ${other.rows} ${other.order}
      limit greatest(0, ${limit} - (select count(*) from first))
      offset case when (select count(*) from first) > 0 then 0 else greatest(0, ${offset} - ${before}) end)`;
  return `${first}, ${second}, ${idsOf(`${numbered("first", 1)} union all ${numbered("second", 2)}`)}`;
}

/** Where the page is among the rows as they are read. From the end: the counter and the rows are of one snapshot. */
function sliceOf({ limit, offset, fromEnd }: PageRequest, params: Parameters) {
  const most = `${params.add(limit)}::bigint`;
  const skipped = `${params.add(offset)}::bigint`;
  if (!fromEnd) return { most, limit: most, offset: skipped };
  const left = `((${USER_COUNT}) - ${skipped})`;
  return {
    most,
    limit: `greatest(0, least(${most}, ${left}))`,
    offset: `greatest(0, ${left} - ${most})`,
  };
}

function cursorCondition({ after, orderBy }: PageRequest, params: Parameters): string[] {
  if (!after) return [];
  const comparison = orderBy.descending ? "<" : ">";
  return [
    `(s.created_at, s.id) ${comparison} (${params.add(after.createdAtMs)}::bigint, ${params.add(after.id)})`,
  ];
}
