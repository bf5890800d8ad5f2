import { AppError } from "../../../lib/errors.js";
import { type FilterContext, parseFilter } from "../../../query/language/json-filter.js";
import { parseJsonFilter } from "../../../query/language/json-text.js";
import { DEFAULT_ORDER } from "../../../query/language/orders.js";
import { splitNames } from "../../../query/language/request.js";
import { type FilterObject, scimFilter } from "../../../query/language/scim.js";
import { type ScimText, scimText } from "../../../query/language/scim-text.js";
import {
  type FilterRows,
  filterFromRows,
  paramsFromRows,
  rowsFromFilter,
  rowsFromParams,
} from "./filter-rows.js";

/** What the list of users shows, read from its address. */
export interface UserList {
  /** Text that is searched for everywhere. */
  search: string;
  /** Null: the filter is written as text, and says more than rows can. */
  rows: FilterRows | null;
  /** What is wrong, by the place of its row. */
  problems: ReadonlyMap<number, string>;
  /** The filter as it was written; empty: it wasn't. */
  text: string;
  /** What is wrong with the text. */
  textProblem: string | null;
  /** Of the rows or the text, without the search. */
  filter: FilterObject;
  columns: readonly string[];
  order: string;
  cursor: string | null;
  isCountedExactly: boolean;
}

export const USUAL_COLUMNS: readonly string[] = ["email_address", "username", "created_at", "last_active_at"];
/** A page has no room for more. */
const MOST_COLUMNS = 20;

export function readUserList(params: URLSearchParams, context: FilterContext): UserList {
  const text = params.get("filter")?.trim() ?? "";
  const written = text === "" ? null : filterOfText(text, context);
  const fromText = written && "filter" in written ? rowsFromFilter(written.filter) : null;
  const rows = written ? fromText : rowsFromParams(params);
  const built = rows ? filterFromRows(rows, context) : null;
  const columns = params
    .getAll("column")
    .flatMap(splitNames)
    .map((name) => name.trim())
    .filter((name) => name !== "");
  return {
    search: params.get("q") ?? "",
    rows,
    problems: built?.problems ?? new Map(),
    text: rows ? "" : text,
    textProblem: written && "problem" in written ? written.problem : null,
    filter: written && "filter" in written ? written.filter : (built?.filter ?? {}),
    columns: columns.length > 0 ? [...new Set(columns)].slice(0, MOST_COLUMNS) : USUAL_COLUMNS,
    order: params.get("order")?.trim() || DEFAULT_ORDER.join(","),
    cursor: params.get("cursor") || null,
    isCountedExactly: params.get("count") === "exact",
  };
}

/** The address's parameters of this list; what is usual is left out. `change`: in place of what it names. */
export function paramsOfUserList(list: UserList, change: Partial<UserList> = {}): URLSearchParams {
  const { search, rows, text, columns, order, cursor, isCountedExactly } = { ...list, ...change };
  const params = new URLSearchParams();
  if (search !== "") params.set("q", search);
  if (text !== "") params.set("filter", text);
  else if (rows) for (const [name, value] of paramsFromRows(rows)) params.append(name, value);
  if (columns.join() !== USUAL_COLUMNS.join()) for (const column of columns) params.append("column", column);
  if (order !== DEFAULT_ORDER.join(",")) params.set("order", order);
  if (cursor !== null) params.set("cursor", cursor);
  if (isCountedExactly) params.set("count", "exact");
  return params;
}

/** What is asked of the mirror: the filter, and the search as a part of it. */
export function wholeFilter({ filter, search }: UserList): FilterObject {
  if (search === "") return filter;
  const searched = { any: { contains: search } };
  return Object.keys(filter).length === 0 ? searched : { and: [filter, searched] };
}

/** The filter as it is written in each of its languages. */
export const languagesOf = (filter: FilterObject): { json: string; scim: ScimText } => ({
  json: JSON.stringify(filter),
  scim: scimText(filter),
});

/** In JSON, or in SCIM's language. Accepted by the filter's parser. */
function filterOfText(text: string, context: FilterContext): { filter: FilterObject } | { problem: string } {
  try {
    const filter = (
      text.startsWith("{") ? parseJsonFilter(text, "filter") : scimFilter(text)
    ) as FilterObject;
    parseFilter(filter, context);
    return { filter };
  } catch (error) {
    if (error instanceof AppError) return { problem: error.longMessage ?? error.message };
    throw error;
  }
}
