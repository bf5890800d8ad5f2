import { COLUMNS, type From, type Table, tablesOf } from "./columns.js";
import type { KeyValue } from "./language/cursor.js";
import { type SortKey, scoreOf } from "./order-keys.js";
import type { Parameters } from "./parameters.js";
import { fromOf, type Where, whereClause } from "./where.js";

export interface WalkPage {
  keys: readonly SortKey[];
  /** The keys of the user before the page; null: it is the first. */
  after: readonly KeyValue[] | null;
  limit: number;
  /** What is read of each user, who is called `u`. */
  shown: string;
}

/** Which users, before they are put in order. */
export interface Matches {
  /** What stands before the page's own parts. */
  before: string;
  conditions: readonly string[];
  from: (others: readonly Table[]) => From;
}

/** Postgres chooses whether it walks in the page's order, looking at each user, or finds all who match, unless they are gathered. */
export const inAnyWay = (where: Where): Matches =>
  where.source !== null
    ? allFirst(where)
    : {
        before: "",
        conditions: where.conditions,
        from: (others) => fromOf(where, others),
      };

/** All who match are found first, then put in order: that costs the same however they are spread over the order. */
export function allFirst(where: Where): Matches {
  const { from, id } = fromOf(where, [], where.similarities);
  const score = where.similarities.length > 0 ? `, ${scoreOf(where)} as score` : "";
  return {
    before: `matching as materialized (select ${id} as id${score} from ${from} ${whereClause(where.conditions)}), `,
    conditions: [],
    from: (others) => tablesOf(new Set(others), { beside: { from: "matching", id: "matching.id" } }),
  };
}

/**
 * The statement for a page of a walk: each row has the values of the keys, as text, and then what is shown. It costs the same at
 * any depth, because it begins behind the user before it. As in `page.ts`, ids are read first and payloads looked up, and users
 * without a value of the leading key are a branch of their own behind the others.
 */
export function walkStatement(matches: Matches, page: WalkPage, params: Parameters): string {
  const { keys, limit, shown } = page;
  const most = `${params.add(limit)}::bigint`;
  const names = keys.map((_, n) => `k${n}`);
  const ids = idsOf(matches, page, most, params).map(([name, sql]) => `${name} as materialized (${sql})`);
  const numbered = ids.map(
    (_, n) => `select *, ${n + 1} as branch, row_number() over () as position from branch${n + 1}`,
  );
  return `with recursive ${matches.before}${ids.join(", ")},
    ids as (select * from (${numbered.join(" union all ")}) as numbered limit ${most})
    select ${names.map((name) => `ids.${name}::text`).join(", ")}, ${shown}
    from ids cross join lateral (
      select * from mirror_data.users u where u.id = ids.id and u.payload is not null offset 0) as u
    order by ids.branch, ids.position`;
}

/** The branches of a page by their names, with their ids and keys in order. */
function idsOf(matches: Matches, page: WalkPage, most: string, params: Parameters): [string, string][] {
  const { after } = page;
  // Each of the tables has the id.
  const tables = page.keys.flatMap(({ sql, table }) => (sql === COLUMNS.id.sql ? [] : (table ?? [])));
  const { from, id } = matches.from(tables);
  const keys = page.keys.map((key) => (key.sql === COLUMNS.id.sql ? { ...key, sql: id } : key));
  const branch = (inOrder: readonly SortKey[], conditions: readonly string[], limit: string) => {
    const columns = inOrder.map(({ sql }, n) => `${sql} as k${n}`);
    return `select ${id} as id, ${columns.join(", ")} from ${from} ${whereClause([...matches.conditions, ...conditions])}
      order by ${inOrder.map(directed).join(", ")} limit ${limit}`;
  };
  const [leading, ...others] = keys;
  if (!leading) throw new TypeError("an order has at least the id");
  const values = after?.map((value, n) => parameterOf(value, keys[n] ?? leading, params)) ?? null;
  const [first, ...further] = values ?? [];
  const isBehindValues = first === null;
  const branches: string[] = [];
  if (!isBehindValues) {
    const present = { ...leading, nullable: false };
    const branchKeys = [present, ...others];
    const isDayByDay = leading.sql === COLUMNS.last_active_at.sql && isById(page.keys.slice(1), leading);
    const conditions = [
      ...(leading.nullable ? [`${leading.sql} is not null`] : []),
      ...(values ? [behind(branchKeys, values)] : []),
    ];
    branches.push(
      isDayByDay ? dayByDay(matches, { most, values }, leading) : branch(branchKeys, conditions, most),
    );
  }
  if (leading.nullable) {
    const conditions = [`${leading.sql} is null`, ...(isBehindValues ? [beyond(others, further)] : [])];
    const left = branches.length === 0 ? most : `greatest(0, ${most} - (select count(*) from branch1))`;
    branches.push(branch([leading, ...others], conditions, left));
  }
  return branches.map((sql, n) => [`branch${n + 1}`, sql]);
}

/** The leading key is in the order of its index, where no value is null, or all are. Others are sorted anyway. */
function directed({ sql, descending, nullable }: SortKey, n: number): string {
  return `${sql} ${descending ? "desc" : "asc"}${n > 0 && nullable ? " nulls last" : ""}`;
}

/** Null for null; the others are written so that Postgres compares them with the key. */
function parameterOf(value: KeyValue, { type }: SortKey, params: Parameters): string | null {
  if (value === null) return null;
  return type === "jsonb" ? params.json(String(value)) : `${params.add(value)}::${type}`;
}

/** The leading key isn't null here. By itself it says where its index is entered: without that all of it would be read. */
function behind(keys: readonly SortKey[], values: readonly (string | null)[]): string {
  const [leading] = keys;
  const [first] = values;
  if (!leading || keys.length === 1) return beyond(keys, values);
  const direction = leading.descending ? "<" : ">";
  const isRow = keys.every(({ nullable, descending }) => !nullable && descending === leading.descending);
  if (isRow) return `(${keys.map(({ sql }) => sql).join(", ")}) ${direction} (${values.join(", ")})`;
  return `${leading.sql} ${direction}= ${first} and ${beyond(keys, values)}`;
}

/** Whether a user comes after the one with these values. Nulls are last in both directions. */
function beyond(keys: readonly SortKey[], values: readonly (string | null)[]): string {
  const [[key, ...others], [value, ...further]] = [keys, values];
  if (!key || value === undefined) return "false";
  const tied = others.length > 0 ? beyond(others, further) : "false";
  if (value === null) return `(${key.sql} is null and ${tied})`;
  return `(${[
    `${key.sql} ${key.descending ? "<" : ">"} ${value}`,
    ...(key.nullable ? [`${key.sql} is null`] : []),
    ...(others.length > 0 ? [`(${key.sql} = ${value} and ${tied})`] : []),
  ].join(" or ")})`;
}

const isById = (others: readonly SortKey[], { descending }: SortKey) =>
  others.length === 1 && others[0]?.sql === COLUMNS.id.sql && others[0].descending !== descending;

/**
 * By the last day of activity and, against its direction, by id: a tenth of all users can have one day, and putting them in order
 * takes 60 ms at a million. The index has those of a day in the order of ids, so it is read one day after another.
 */
function dayByDay(
  { from: fromWith, conditions }: Matches,
  { most, values }: { most: string; values: readonly (string | null)[] | null },
  leading: SortKey,
): string {
  const { from } = fromWith(["activity"]);
  const [first = null, id = null] = values ?? [];
  const [nearer, farther, idOrder, idBeyond] = leading.descending
    ? ["desc", "<", "asc", ">"]
    : ["asc", ">", "desc", "<"];
  const day = "select d.last_active_at from mirror_data.user_activity d where";
  const next = `order by d.last_active_at ${nearer} limit 1`;
  const ofDay = [
    ...conditions,
    "a.last_active_at = days.day",
    ...(first !== null ? [`(days.day <> ${first} or a.id ${idBeyond} ${id})`] : []),
  ];
  return `select page.id, days.day as k0, page.id as k1
      from (
        with recursive days(day) as (
          (${day} ${first === null ? "d.last_active_at is not null" : `d.last_active_at ${farther}= ${first}`} ${next})
          union all
          select (${day} d.last_active_at ${farther} days.day ${next}) from days where days.day is not null)
        select day from days where day is not null
      ) as days cross join lateral (
        select a.id from ${from} ${whereClause(ofDay)} order by a.id ${idOrder} limit ${most}
      ) as page
      limit ${most}`;
}
