import type { Parameters, Where } from "./compile.js";
import type { OrderBy, OrderField } from "./filter.js";

interface OrderColumn {
  column: string;
  table: "search" | "activity";
  nullable: boolean;
}

const ORDERS: Record<OrderField, OrderColumn> = {
  created_at: { column: "s.created_at", table: "search", nullable: false },
  email_address: { column: "s.email_key", table: "search", nullable: true },
  phone_number: { column: "s.phone_key", table: "search", nullable: true },
  username: { column: "s.username_key", table: "search", nullable: true },
  web3wallet: { column: "s.wallet_key", table: "search", nullable: true },
  first_name: { column: "s.first_name_key", table: "search", nullable: true },
  last_name: { column: "s.last_name_key", table: "search", nullable: true },
  updated_at: { column: "a.updated_at", table: "activity", nullable: false },
  last_active_at: { column: "a.last_active_at", table: "activity", nullable: true },
  last_sign_in_at: { column: "a.last_sign_in_at", table: "activity", nullable: true },
};

export interface PageRequest {
  orderBy: OrderBy;
  limit: number;
  offset: number;
  /** The user before the page; only with the order `created_at`. */
  after: { id: string; createdAtMs: number } | null;
  /** Read from the end: an offset beyond the half of an unfiltered list costs less from there. */
  fromEnd: boolean;
}

/**
 * The statement for one page: first the ids from narrow tables and their indexes, then the payloads of these few. Rows
 * come in order, nulls last in both directions: they are a branch of their own behind the others, since one plain index
 * can't put them last both ways.
 */
export function pageStatement(where: Where, request: PageRequest, params: Parameters): string {
  const order = ORDERS[request.orderBy.field];
  const tables = fromTables(where, order);
  return `with ${pageOfIds(where, order, tables, request, params)}
    select u.payload, u.private_metadata, u.private_at, u.locked_until
    from ids join mirror_data.users u on u.id = ids.id
    where u.payload is not null
    order by ids.branch, ids.position`;
}

/** The count of what `pageStatement` pages through. */
export function countStatement(where: Where): string {
  return `select count(*)::bigint as n from ${fromTables(where, null)} ${whereClause(where.conditions)}`;
}

/** Both tables hold exactly the live users, so either alone will do. */
function fromTables(where: Where, order: OrderColumn | null): string {
  const search = where.search || order?.table === "search";
  const activity = where.activity || order?.table === "activity";
  if (search && activity) return "mirror_data.user_search s join mirror_data.user_activity a on a.id = s.id";
  return activity ? "mirror_data.user_activity a" : "mirror_data.user_search s";
}

function pageOfIds(
  where: Where,
  order: OrderColumn,
  tables: string,
  request: PageRequest,
  params: Parameters,
): string {
  const { column, nullable } = order;
  const id = order.table === "search" ? "s.id" : "a.id";
  const limit = `${params.add(request.limit)}::bigint`;
  const offset = `${params.add(request.offset)}::bigint`;
  if (request.fromEnd && !nullable) return idsFromEnd(column, id, tables, request.orderBy, limit, offset);

  const direction = request.orderBy.descending ? "desc" : "asc";
  const cursor = cursorCondition(request, params);
  const present = whereClause([
    ...where.conditions,
    ...cursor,
    ...(nullable ? [`${column} is not null`] : []),
  ]);
  const first = `first as materialized (
      select ${id} as id from ${tables} ${present}
      order by ${column} ${direction}, ${id} ${direction} limit ${limit} offset ${offset})`;
  if (!nullable) return `${first}, ids as (${numbered("first", 1)})`;

  const absent = whereClause([...where.conditions, `${column} is null`]);
  // Evaluated only where the page reaches the nulls: how many rows of the first branch lie before it.
  const before = `(select count(*) from (select from ${tables} ${present} limit ${offset}) skipped)`;
  const second = `second as materialized (
      select ${id} as id from ${tables} ${absent}
      order by ${id} ${direction}
      limit greatest(0, ${limit} - (select count(*) from first))
      offset case when (select count(*) from first) > 0 then 0 else greatest(0, ${offset} - ${before}) end)`;
  return `${first}, ${second}, ids as (${numbered("first", 1)} union all ${numbered("second", 2)})`;
}

/** The page counted from the other end; the counter and the rows are of one snapshot. */
function idsFromEnd(
  column: string,
  id: string,
  tables: string,
  { descending }: OrderBy,
  limit: string,
  offset: string,
): string {
  const direction = descending ? "asc" : "desc";
  const behind = `(select n from mirror_data.counters where name = 'users') - ${offset}`;
  return `first as materialized (
      select ${id} as id from ${tables} order by ${column} ${direction}, ${id} ${direction}
      limit greatest(0, least(${limit}, ${behind})) offset greatest(0, ${behind} - ${limit})),
    ids as (select id, 1 as branch, -row_number() over () as position from first)`;
}

const numbered = (branch: string, number: number) =>
  `select id, ${number} as branch, row_number() over () as position from ${branch}`;

function cursorCondition({ after, orderBy }: PageRequest, params: Parameters): string[] {
  if (!after) return [];
  const comparison = orderBy.descending ? "<" : ">";
  return [
    `(s.created_at, s.id) ${comparison} (${params.add(after.createdAtMs)}::bigint, ${params.add(after.id)})`,
  ];
}

const whereClause = (conditions: readonly string[]) =>
  conditions.length > 0 ? `where ${conditions.join(" and ")}` : "";
