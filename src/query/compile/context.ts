import type { Column, Table } from "../columns.js";
import type { Bound } from "../condition.js";
import type { Parameters } from "../parameters.js";
import type { Search, Traits } from "../where.js";

/** What is noted of a filter while it is compiled. */
export interface Notes extends Traits {
  tables: Set<Table>;
  joins: string[];
  similarities: string[];
  /** What Postgres has to estimate of metadata so far, in containments. */
  estimating: number;
  /** All who have a term, each once. */
  everyMatch: string | null;
}

export interface Context {
  notes: Notes;
  params: Parameters;
  search: Search;
  /** Whether all users that are kept meet the condition. What stands inside `or` and `not` is no way to find them. */
  mustHold: boolean;
}

export const BOUNDS: Record<Bound, string> = { lt: "<", lte: "<=", gt: ">", gte: ">=" };

/** Notes that a comparison is made, and which table it needs. */
export function speakOf(column: Column, { notes }: Context): string {
  notes.size++;
  notes.tables.add(column.table);
  return column.sql;
}

/** A single value has a statement of its own, whose plan can be kept: it is as good for every other value. */
export function among(sql: string, values: readonly string[], params: Parameters): string {
  const [only] = values;
  return values.length === 1 && only !== undefined
    ? `${sql} = ${params.add(only)}`
    : `${sql} = any(${params.texts(values)})`;
}

export function joined(parts: readonly string[], by: " and " | " or "): string {
  if (parts.length === 0) return by === " and " ? "true" : "false";
  return `(${parts.map((part) => `(${part})`).join(by)})`;
}
