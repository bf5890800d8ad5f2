import { type Condition, isTimeField, type TimeField } from "../condition.js";
import type { FieldRef } from "../field.js";
import { type FilterContext, parseFilter } from "../language/json-filter.js";
import { parseBody } from "../language/json-text.js";
import { parseFieldRef } from "../language/paths.js";
import { itemPath, memberPath, nearest, problem, shown } from "../language/problems.js";
import { BUCKETS, type Bucket } from "./buckets.js";
import { zoneNamed } from "./zones.js";

/** How many users there are of each kind. */
export interface AggregateRequest {
  filter: Condition;
  /** None: all of them together. */
  groups: readonly Group[];
  /** None: by time where a group is one, else the largest first. Ties go by key. */
  orders: readonly AggregateOrder[];
  limit: number;
  /** Each bucket of the first group counts those before it too. */
  cumulative: boolean;
}

export type Group = TimeGroup | { kind: "value"; of: FieldRef };

/** A time that each user has once, or a day on which a user was active, of which there can be many. */
export type GroupedTime = TimeField | typeof ACTIVE_DAY;

/** Days of activity are UTC days. */
export const ACTIVE_DAY = "active_day";

export interface TimeGroup {
  kind: "time";
  field: GroupedTime;
  bucket: Bucket;
  zone: string;
  /** Where it stands in the request, for what is said of it. */
  at: string;
}

const DAY_BUCKETS = BUCKETS.filter((bucket) => bucket !== "hour");

export const ORDERS = ["count", "-count", "key", "-key"] as const;
export type AggregateOrder = (typeof ORDERS)[number];

const NAMES = ["filter", "group_by", "order_by", "limit", "cumulative"];
const GROUP_MEMBERS = ["field", "bucket", "time_zone"];

export const MOST_GROUPS = 5;
export const USUAL_ROWS = 1000;
export const MOST_ROWS = 10_000;

/**
 * From the body of `POST /mirror/users/aggregate`. Null stands for what isn't given, but for a filter. Throws `invalid_request` with
 * the JSON path of what is wrong, or `forbidden` where a scope is missing.
 */
export function parseAggregate(text: string, context: FilterContext): AggregateRequest {
  const given = parseBody(text, { names: NAMES });
  const filter = parseFilter(given.has("filter") ? given.get("filter") : {}, context);
  const groups = listOf(given.get("group_by"), "group_by").map((group, n) =>
    parseGroup(group, context, itemPath("group_by", n)),
  );
  if (groups.length > MOST_GROUPS) throw problem("group_by", `has at most ${MOST_GROUPS} groups.`);
  refuseTwoActiveDays(groups);
  return {
    ...{ filter, groups },
    orders: ordersOf(given.get("order_by")),
    limit: limitOf(given.get("limit")),
    cumulative: cumulativeOf(given.get("cumulative"), groups),
  };
}

function parseGroup(value: unknown, context: FilterContext, at: string): Group {
  const isText = typeof value === "string";
  const { field, bucket, time_zone } = isText
    ? { field: value, bucket: undefined, time_zone: undefined }
    : groupMembers(value, at);
  if (typeof field !== "string") throw problem(memberPath(at, "field"), "must be the name of a field.");
  const zoneAt = memberPath(at, "time_zone");
  if (field === ACTIVE_DAY) {
    const chosen = bucketOf({ field, bucket, isText, at }, DAY_BUCKETS);
    if (zoneOf(time_zone, zoneAt) === "UTC") return timeGroup(field, chosen, "UTC", at);
    throw problem(zoneAt, "must be UTC: days of activity are UTC days.");
  }
  const of = parseFieldRef(field, context.scopes, isText ? at : memberPath(at, "field"));
  if (of.kind === "field" && isTimeField(of.name)) {
    const chosen = bucketOf({ field, bucket, isText, at }, BUCKETS);
    return timeGroup(of.name, chosen, zoneOf(time_zone, zoneAt), at);
  }
  for (const [name, given] of Object.entries({ bucket, time_zone })) {
    if (given != null) throw problem(memberPath(at, name), "goes only with a time.");
  }
  return { kind: "value", of };
}

const timeGroup = (field: GroupedTime, bucket: Bucket, zone: string, at: string): TimeGroup => ({
  ...{ kind: "time", field, bucket, zone, at },
});

function bucketOf(
  { field, bucket, isText, at }: { field: string; bucket: unknown; isText: boolean; at: string },
  buckets: readonly Bucket[],
): Bucket {
  const chosen = buckets.find((known) => known === bucket);
  if (chosen) return chosen;
  throw isText
    ? problem(at, `is a time, and needs a bucket: {"field": ${JSON.stringify(field)}, "bucket": "day"}.`)
    : problem(memberPath(at, "bucket"), `must be one of ${buckets.join(", ")}.`);
}

/** Whether it is told by the history of activity. */
export const isOfActivity = (group: Group): boolean => group.kind === "time" && group.field === ACTIVE_DAY;

/** Who was active on one day and on another is another question. */
function refuseTwoActiveDays(groups: readonly Group[]): void {
  const [, second] = groups.flatMap((group) =>
    group.kind === "time" && isOfActivity(group) ? [group.at] : [],
  );
  if (second !== undefined) throw problem(second, `can't be ${ACTIVE_DAY} a second time.`);
}

export function zoneOf(value: unknown, at: string): string {
  if (value == null) return "UTC";
  const zone = typeof value === "string" ? zoneNamed(value) : null;
  if (zone !== null) return zone;
  throw problem(at, "must be a time zone's name, as Europe/Berlin or UTC.");
}

function ordersOf(value: unknown): AggregateOrder[] {
  const list = listOf(value, "order_by");
  if (list.length > 2) throw problem("order_by", "has at most two orders: a count and a key.");
  return list.map((given, n) => {
    const order = ORDERS.find((known) => known === given);
    if (order) return order;
    throw problem(itemPath("order_by", n), `must be one of ${ORDERS.join(", ")}, not ${shown(given)}.`);
  });
}

function limitOf(value: unknown): number {
  if (value == null) return USUAL_ROWS;
  if (typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= MOST_ROWS) return value;
  throw problem("limit", `must be a whole number from 1 to ${MOST_ROWS}.`);
}

function cumulativeOf(value: unknown, groups: readonly Group[]): boolean {
  if (value != null && typeof value !== "boolean") throw problem("cumulative", "must be true or false.");
  if (value && groups[0]?.kind !== "time") {
    throw problem("cumulative", "needs a time with its bucket as the first group.");
  }
  return value === true;
}

function listOf(value: unknown, at: string): unknown[] {
  if (value == null) return [];
  if (Array.isArray(value)) return value;
  throw problem(at, `must be an array, not ${shown(value)}.`);
}

function groupMembers(value: unknown, at: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw problem(at, `must be the name of a field, or an object of ${GROUP_MEMBERS.join(", ")}.`);
  }
  for (const name of Object.keys(value)) {
    if (GROUP_MEMBERS.includes(name)) continue;
    throw problem(memberPath(at, name), `is no member of a group. ${nearest(name, GROUP_MEMBERS)}`);
  }
  return value as Record<string, unknown>;
}
