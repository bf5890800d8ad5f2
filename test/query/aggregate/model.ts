import type { Bucket } from "../../../src/query/aggregate/buckets.js";

/** What aggregates are asked of, and by what they are grouped, in as few words as a test needs. */
export interface ModelUser {
  id: string;
  fields: Record<string, unknown>;
  /** The values that the user has in each field; what isn't here is in `fields`, once or null. */
  lists: Record<string, unknown[]>;
}

export interface ModelGroup {
  field: string;
  bucket?: Bucket;
  time_zone?: string | undefined;
}

export interface ModelRequest {
  keeps: (user: ModelUser) => boolean;
  groups: readonly ModelGroup[];
  orders: readonly string[];
  limit: number;
  cumulative: boolean;
  /** Of each group: the first and the last moment that the filter allows. */
  bounds: readonly [number | null, number | null][];
}

export interface ModelRow {
  keys: unknown[];
  count: number;
}

const HOUR_MS = 3_600_000;
const QUARTER_MS = HOUR_MS / 4;

/** Users are looked at one by one, and time by the quarter of an hour: nothing here is clever. */
export function modelAggregate(users: readonly ModelUser[], request: ModelRequest) {
  const { groups, cumulative, limit } = request;
  const kept = users.filter(request.keeps);
  const counts = new Map<string, { keys: unknown[]; users: number; shown: number }>();
  const add = (keys: unknown[], n: number) => {
    const row = counts.get(canonical(keys)) ?? { keys, users: 0, shown: 0 };
    row.users += n;
    counts.set(canonical(keys), row);
  };
  for (const user of kept)
    for (const keys of product(groups.map((group) => valuesOf(user, group)))) add(keys, 1);

  const times = groups.flatMap((group, n) => (group.bucket ? [n] : []));
  if (times.length > 0) {
    const others = [...counts.values()].map(({ keys }) =>
      keys.map((key, n) => (times.includes(n) ? null : key)),
    );
    const choices = times.length < groups.length ? others : [groups.map(() => null)];
    for (const keys of [...new Map(choices.map((keys) => [canonical(keys), keys])).values()]) {
      const series = groups.map((group, n) =>
        group.bucket ? seriesOf(kept, group, request.bounds[n] ?? [null, null]) : [keys[n]],
      );
      for (const filled of product(series)) add(filled, 0);
    }
  }

  const rows = [...counts.values()];
  for (const row of rows) row.shown = row.users;
  if (cumulative) {
    const upToNow = new Map<string, number>();
    const inTime = rows
      .filter(({ keys }) => keys[0] !== null)
      .sort((one, other) => compareTimes(groups[0] as ModelGroup, one.keys[0], other.keys[0]));
    for (const row of inTime) {
      const series = canonical(row.keys.slice(1));
      row.shown += upToNow.get(series) ?? 0;
      upToNow.set(series, row.shown);
    }
  }
  rows.sort((one, other) => compareRows(one, other, request));
  return {
    data: rows.slice(0, limit).map(({ keys, shown }): ModelRow => ({ keys, count: shown })),
    other: rows.slice(limit).reduce((sum, { users }) => sum + users, 0),
    total: kept.length,
  };
}

function valuesOf(user: ModelUser, group: ModelGroup): unknown[] {
  const { field } = group;
  if (group.bucket) {
    const labels = timesOf(user, field).map((ms) => labelOf(group, ms));
    return labels.length > 0 ? [...new Set(labels)] : [null];
  }
  const value = field.includes(".") ? atPath(user.fields, keysOf(field)) : user.fields[field];
  const values = user.lists[field] ?? (Array.isArray(value) && field.includes(".") ? value : [value ?? null]);
  const distinct = [...new Map(values.map((one) => [canonical(one ?? null), one ?? null])).values()];
  return distinct.length > 0 ? distinct : [null];
}

/** The time that a user has, or the days on which it was active. */
const timesOf = ({ fields, lists }: ModelUser, field: string): number[] =>
  [fields[field], ...(lists[field] ?? [])].filter((ms) => typeof ms === "number");

const keysOf = (path: string) => (path.match(/"[^"]*"|[^.]+/g) ?? []).map((key) => key.replaceAll('"', ""));

function atPath(value: unknown, path: readonly string[]): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
  return atPath((value as Record<string, unknown>)[key], rest);
}

/** The buckets that are shown, in the order of time. */
function seriesOf(kept: readonly ModelUser[], group: ModelGroup, [from, to]: [number | null, number | null]) {
  const times = kept.flatMap((user) => timesOf(user, group.field));
  if (times.length === 0 && (from === null || to === null)) return [];
  const [first, last] = [from ?? Math.min(...times), to ?? Math.max(...times)];
  const labels = new Set<string>();
  for (let ms = first; ms < last; ms += QUARTER_MS) labels.add(labelOf(group, ms));
  if (first <= last) labels.add(labelOf(group, last));
  return [...labels];
}

const formats = new Map<string, Intl.DateTimeFormat>();
const labels = new Map<string, string>();

/** What the zone's clocks show, as if it were UTC. */
function localOf(zone: string, ms: number): Date {
  const format =
    formats.get(zone) ??
    new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short", timeStyle: "medium" });
  formats.set(zone, format);
  return new Date(`${format.format(ms).replace(" ", "T")}Z`);
}

const hourAt = (zone: string, ms: number) => `${localOf(zone, ms).toISOString().slice(0, 13)}:00`;
const aheadAt = (zone: string, ms: number) => localOf(zone, ms).getTime() - Math.floor(ms / 1000) * 1000;

function labelOf({ bucket, time_zone: zone = "UTC" }: ModelGroup, ms: number): string {
  const name = `${bucket} ${zone} ${ms}`;
  const known = labels.get(name);
  if (known !== undefined) return known;
  const label = bucket === "hour" ? hourLabel(zone, ms) : dateLabel(bucket, localOf(zone, ms));
  labels.set(name, label);
  return label;
}

function dateLabel(bucket: Bucket | undefined, date: Date): string {
  if (bucket === "month") date.setUTCDate(1);
  if (bucket === "week") date.setUTCDate(date.getUTCDate() - ((date.getUTCDay() + 6) % 7));
  return date.toISOString().slice(0, 10);
}

function hourLabel(zone: string, ms: number): string {
  const hour = hourAt(zone, ms);
  const ahead = aheadAt(zone, ms);
  for (let other = ms - 3 * HOUR_MS; other <= ms + 3 * HOUR_MS; other += QUARTER_MS) {
    if (hourAt(zone, other) !== hour || aheadAt(zone, other) === ahead) continue;
    const minutes = Math.abs(ahead) / 60_000;
    const text = [Math.floor(minutes / 60), minutes % 60].map((part) => String(part).padStart(2, "0"));
    return `${hour}${ahead < 0 ? "-" : "+"}${text.join(":")}`;
  }
  return hour;
}

/** In the order of time: of two hours with the same name, that with the clocks further ahead came first. */
function compareTimes({ bucket }: ModelGroup, one: unknown, other: unknown): number {
  const [a, b] = [String(one), String(other)];
  if (bucket !== "hour" || a.slice(0, 16) !== b.slice(0, 16)) return a < b ? -1 : a > b ? 1 : 0;
  return ahead(b) - ahead(a);
}

function ahead(label: string): number {
  const [, sign, hours, minutes] = /([+-])(\d\d):(\d\d)$/.exec(label.slice(16)) ?? [];
  return (sign === "-" ? -1 : 1) * (Number(hours ?? 0) * 60 + Number(minutes ?? 0));
}

type Counted = { keys: unknown[]; shown: number };

function compareRows(one: Counted, other: Counted, { groups, orders }: ModelRequest): number {
  const hasTime = groups.some(({ bucket }) => bucket);
  const usual = hasTime ? ["times"] : ["-count"];
  for (const order of [...(orders.length > 0 ? orders : usual), "key"]) {
    const found = compareBy(order, one, other, groups);
    if (found !== 0) return found;
  }
  return 0;
}

function compareBy(order: string, one: Counted, other: Counted, groups: readonly ModelGroup[]): number {
  const sign = order.startsWith("-") ? -1 : 1;
  if (order.endsWith("count")) return sign * (one.shown - other.shown);
  for (const [n, group] of groups.entries()) {
    if (order === "times" && !group.bucket) continue;
    const [a, b] = [one.keys[n], other.keys[n]];
    // Null is last in both directions.
    if ((a === null) !== (b === null)) return a === null ? 1 : -1;
    const found = a === null ? 0 : group.bucket ? compareTimes(group, a, b) : compareValues(a, b);
    if (found !== 0) return sign * found;
  }
  return 0;
}

const TYPES = ["string", "number", "boolean", "array", "object"];
const typeOf = (value: unknown) => TYPES.indexOf(Array.isArray(value) ? "array" : typeof value);

function compareValues(one: unknown, other: unknown): number {
  if (typeOf(one) !== typeOf(other)) return typeOf(one) - typeOf(other);
  if (typeof one === "number") return one - (other as number);
  return Buffer.compare(Buffer.from(textOf(one)), Buffer.from(textOf(other)));
}

const textOf = (value: unknown) => (typeof value === "string" ? value : canonical(value));

/** As Postgres prints it: the keys of objects by length, then by their bytes. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const keys = Object.keys(value).sort((a, b) => a.length - b.length || (a < b ? -1 : 1));
  return `{${keys.map((key) => `${JSON.stringify(key)}: ${canonical((value as Record<string, unknown>)[key])}`).join(", ")}}`;
}

function product<T>(lists: readonly (readonly T[])[]): T[][] {
  return lists.reduce<T[][]>((rows, list) => rows.flatMap((row) => list.map((one) => [...row, one])), [[]]);
}
