import type { RawParams } from "../clerk-params.js";
import type { Condition } from "../condition.js";
import type { OrderKey, Projected } from "../field.js";
import { bindingOf, type Cursor, demandBinding, parseCursor } from "./cursor.js";
import { type FilterContext, parseFilter } from "./json-filter.js";
import { parseBody, parseJsonFilter } from "./json-text.js";
import { DEFAULT_ORDER, parseOrders } from "./orders.js";
import { nearest, problem, shown } from "./problems.js";
import { parseFields } from "./projection.js";
import { scimFilter } from "./scim.js";

/** Users who are asked for, a page of them. */
export interface UserQuery {
  filter: Condition;
  /** The id is the last. */
  orders: readonly OrderKey[];
  limit: number;
  /** Null: the first page. */
  cursor: Cursor | null;
  /** Null: users as they are. */
  fields: readonly Projected[] | null;
  count: boolean | "estimated";
  /** The moment of the walk's first page, which `now` means on all of them. */
  nowMs: number;
  /** For the cursor of the next page: it is good for the same filter, orders and fields alone. */
  binding: string;
}

const NAMES = ["filter", "order_by", "limit", "cursor", "fields", "count"];
export const USUAL_LIMIT = 50;
export const MOST_LIMIT = 500;

/** From the body of `POST /mirror/users/query`. Null stands for what isn't given, but for a filter. */
export function parseUserQuery(text: string, context: FilterContext): UserQuery {
  return queryOf(parseBody(text, { names: NAMES, large: ["cursor"] }), context);
}

/**
 * The same from the parameters of a link; of those that stand twice the first counts. A filter that doesn't begin as JSON is in
 * SCIM's language.
 */
export function parseUserLink(params: RawParams, context: FilterContext): UserQuery {
  const given = new Map<string, unknown>();
  for (const [name, [text]] of Object.entries(params)) {
    if (text !== undefined) given.set(name, parseParam(name, text));
  }
  return queryOf(given, context);
}

/** A parameter as it would stand in a body. */
function parseParam(name: string, text: string): unknown {
  switch (name) {
    case "filter":
      return /^\s*\{/.test(text) ? parseJsonFilter(text, name) : scimFilter(text);
    case "order_by":
    case "fields":
      return splitNames(text);
    case "limit":
      return /^\d{1,9}$/.test(text) ? Number(text) : text;
    case "count":
      return text === "true" || text === "false" ? text === "true" : text;
    case "cursor":
      return text;
  }
  throw problem(name, `is no parameter of this: ${shown(name)}. ${nearest(name, NAMES)}`);
}

/** At commas, but for those inside the quotes of a metadata path. */
export function splitNames(text: string): string[] {
  const names: string[] = [];
  let [from, isQuoted] = [0, false];
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '"') isQuoted = !isQuoted;
    else if (isQuoted && text[at] === "\\") at++;
    else if (!isQuoted && text[at] === ",") {
      names.push(text.slice(from, at));
      from = at + 1;
    }
  }
  return [...names, text.slice(from)];
}

function queryOf(given: ReadonlyMap<string, unknown>, { nowMs, scopes }: FilterContext): UserQuery {
  const asked = (name: string, usual: unknown) => given.get(name) ?? usual;
  const cursor = cursorOf(asked("cursor", null));
  const context = { nowMs: cursor?.nowMs ?? nowMs, scopes };
  const asFilter = given.has("filter") ? given.get("filter") : {};
  const filter = parseFilter(asFilter, context);
  const orderBy = asked("order_by", DEFAULT_ORDER);
  const orders = parseOrders(orderBy, asFilter, scopes);
  const asFields = asked("fields", null);
  const fields = asFields === null ? null : parseFields(asFields, scopes);
  const limit = limitOf(asked("limit", USUAL_LIMIT));
  const count = countOf(asked("count", false));
  const binding = bindingOf(asFilter, orderBy, asFields);
  if (cursor) demandBinding(cursor, binding, orders, "cursor");
  return { filter, orders, limit, cursor, fields, count, nowMs: context.nowMs, binding };
}

function cursorOf(given: unknown): Cursor | null {
  if (given === null) return null;
  if (typeof given !== "string") throw problem("cursor", `must be a text or null, not ${shown(given)}.`);
  return parseCursor(given, "cursor");
}

function limitOf(given: unknown): number {
  if (typeof given === "number" && Number.isInteger(given) && given >= 1 && given <= MOST_LIMIT) return given;
  throw problem("limit", `must be a whole number from 1 to ${MOST_LIMIT}, not ${shown(given)}.`);
}

function countOf(given: unknown): UserQuery["count"] {
  if (typeof given === "boolean" || given === "estimated") return given;
  throw problem("count", `must be false, true or "estimated", not ${shown(given)}.`);
}
