import { numberOf, type RawRow } from "../present.js";
import type { Series } from "./buckets.js";
import { groupingOf } from "./groupings.js";
import type { Group } from "./request.js";

/** A row of an aggregate as the statement returns it. */
export interface Row {
  /** Each key as text; null is a group too. */
  keys: (string | null)[];
  /** What is told: how many users, or how many up to there. */
  count: number;
  /** How many users are in this group. */
  users: number;
  /** The same of all groups, and how many users there are: fewer, where one is in several groups. */
  inGroups: number;
  total: number;
  rowsToFill: number;
  isOutside: boolean;
}

export function rowOf(row: RawRow, keys: number): Row {
  const [count, users, inGroups, total, rowsToFill] = row.slice(keys).map((n) => numberOf(n) ?? 0);
  return {
    keys: row.slice(0, keys).map((key) => key?.toString() ?? null),
    count: count ?? 0,
    users: users ?? 0,
    inGroups: inGroups ?? 0,
    total: total ?? 0,
    rowsToFill: rowsToFill ?? 0,
    isOutside: row.at(-1)?.toString() === "t",
  };
}

/** `other`: the users in groups that aren't among the rows, whatever is counted up. */
export function presentAggregate(
  groups: readonly Group[],
  series: readonly (Series | null)[],
  rows: readonly Row[],
): string {
  const printers = groups.map((group, n) => printerOf(group, series[n] ?? null));
  const data = rows.map(({ keys, count }) => {
    const texts = keys.map((key, n) => (key === null ? "null" : printers[n]?.(key)));
    return `{"keys":[${texts.join(",")}],"count":${count}}`;
  });
  const [first] = rows;
  const other = rows.reduce((left, { users }) => left - users, first?.inGroups ?? 0);
  return `{"data":[${data.join(",")}],"other":${other},"total":${first?.total ?? 0}}`;
}

/** Of everybody whom the filter keeps. */
export const presentTotal = (total: number): string =>
  JSON.stringify({ data: [{ count: total }], other: 0, total });

/** A key as JSON. Flags and metadata are JSON already: a number of any length stays as it is. */
function printerOf(group: Group, series: Series | null): (key: string) => string {
  if (series) return (key) => JSON.stringify(series.labels[Number(key)]);
  const { kind } = groupingOf(group);
  return kind === "json" || kind === "flag" ? (key) => key : (key) => JSON.stringify(key);
}
