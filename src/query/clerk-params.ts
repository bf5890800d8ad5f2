import { DAY_MS } from "../lib/days.js";
import { AppError } from "../lib/errors.js";
import { accountKey } from "../lib/text.js";
import {
  type Bound,
  type Compare,
  type Condition,
  hasKey,
  type Term,
  type TextField,
  type TimeField,
} from "./condition.js";
import { ORDER_FIELDS, type OrderBy } from "./order.js";

/** A decoded query string: `c.req.queries()`. */
export type RawParams = Readonly<Record<string, readonly string[]>>;

export interface Page {
  limit: number;
  offset: number;
}

export interface ListParams extends Page {
  filter: Condition;
  orderBy: OrderBy;
  /** The id of the user before the page. */
  startingAfter: string | null;
}

const MOST_VALUES = 100;
const MOST_ROWS = 500;

/**
 * The filters of `GET /users` and `GET /users/count`: all of them must hold. They stand in one order, however the
 * parameters stood, so that the same filters always become the same statement. Throws `invalid_request`, naming the
 * parameter. Unknown parameters, and those that only lists have, are ignored.
 */
export function parseUserFilter(params: RawParams): Condition {
  const identifiers = [
    ...elementOf(params, "email_address", "email"),
    ...elementOf(params, "phone_number", "phone"),
    ...usernameOf(params),
    ...elementOf(params, "web3_wallet", "wallet"),
  ];
  const signed = [
    ...signedOf(params, "external_id", (values) => oneOf("external_id", values)),
    ...signedOf(params, "user_id", (values) => oneOf("id", values)),
    ...signedOf(params, "organization_id", (values) => hasKey("membership", values)),
  ];
  return {
    kind: "and",
    all: [
      ...identifiers,
      // What is wrong with these is told after what is wrong with the signed ones.
      ...accountOf(params),
      ...signed,
      ...bannedOf(params),
      ...rangeOf(params, "created_at"),
      ...termOf(params, "query", "any"),
      ...termOf(params, "email_address_query", "email"),
      ...termOf(params, "phone_number_query", "phone"),
      ...termOf(params, "username_query", "username"),
      ...termOf(params, "name_query", "name"),
      ...rangeOf(params, "last_active_at"),
      ...rangeOf(params, "last_sign_in_at"),
      ...activeSinceOf(params),
    ],
  };
}

/** The same for a list. A cursor is accepted only with the order it was made for, and without an offset. */
export function parseListParams(params: RawParams): ListParams {
  const filter = parseUserFilter(params);
  const page = parsePage(params);
  const orderBy = orderOf(params);
  const startingAfter = params.starting_after?.[0] ?? null;
  if (startingAfter !== null && (orderBy.field !== "created_at" || page.offset !== 0)) {
    throw new AppError("invalid_request", "can't be combined", {
      clerkCode: "form_conditional_param_disallowed",
      longMessage: "starting_after goes only with order_by created_at (either direction) and no offset.",
      meta: { param_name: "starting_after" },
    });
  }
  return { ...page, filter, orderBy, startingAfter };
}

export function parsePage(params: RawParams): Page {
  const limit = integerOf(params, "limit") ?? 10;
  if (limit < 1 || limit > MOST_ROWS) throw invalid("limit", `limit must be from 1 to ${MOST_ROWS}.`);
  const offset = integerOf(params, "offset") ?? 0;
  if (offset < 0) throw invalid("offset", "offset must be 0 or greater.");
  return { limit, offset };
}

/** A 422 about one parameter. */
export function invalid(name: string, longMessage: string, clerkCode = "form_param_value_invalid"): AppError {
  return new AppError("invalid_request", "is invalid", {
    clerkCode,
    longMessage,
    meta: { param_name: name },
  });
}

/** All values of a list parameter, however it is spelled: `name=`, `name[]=`, `name[0]=`. Null: not given at all. */
function valuesOf(params: RawParams, name: string): string[] | null {
  const values = Object.entries(params).flatMap(([key, own]) => (isNameOf(key, name) ? own : []));
  if (values.length === 0) return null;
  if (values.length <= MOST_VALUES) return values;
  throw invalid(name, `${name} takes at most ${MOST_VALUES} values.`, "form_param_array_size_exceeded");
}

function isNameOf(key: string, name: string): boolean {
  return key === name || (key.startsWith(`${name}[`) && /^\[\d*\]$/.test(key.slice(name.length)));
}

/** An empty value matches nothing; it never means "no filter". */
const withoutEmpty = (values: readonly string[]) => values.filter((value) => value !== "");

const oneOf = (field: TextField, values: readonly string[]): Compare => ({
  kind: "compare",
  field,
  operator: "in",
  values,
});

function elementOf(params: RawParams, name: string, list: "email" | "phone" | "wallet"): Condition[] {
  const values = valuesOf(params, name);
  if (!values) return [];
  return [hasKey(list, withoutEmpty(list === "phone" ? values.map(decodedPlus) : values))];
}

function usernameOf(params: RawParams): Condition[] {
  const values = valuesOf(params, "username");
  return values ? [oneOf("username", withoutEmpty(values))] : [];
}

/** `+a` and `a` include, `-a` excludes. Exactly one sign is taken off: `++7` finds `+7`. */
function signedOf(
  params: RawParams,
  name: string,
  isAmong: (values: readonly string[]) => Condition,
): Condition[] {
  const values = valuesOf(params, name)?.map(decodedPlus);
  if (!values) return [];
  const included = values.filter((value) => !value.startsWith("-"));
  const excluded = withoutSigns(values.filter((value) => value.startsWith("-")));
  return [
    ...(included.length > 0 ? [isAmong(withoutSigns(included))] : []),
    ...(excluded.length > 0 ? [{ kind: "not", condition: isAmong(excluded) } as const] : []),
  ];
}

const withoutSigns = (values: readonly string[]) =>
  withoutEmpty(values.map((value) => value.replace(/^[+-]/, "")));

/** A `+` that the sender forgot to escape arrives as a space. */
const decodedPlus = (value: string) => (value.startsWith(" ") ? `+${value.slice(1)}` : value);

function accountOf(params: RawParams): Condition[] {
  const provider = params.provider?.[0];
  const userIds = valuesOf(params, "provider_user_id");
  if (provider === undefined && userIds === null) return [];
  if (provider !== undefined && userIds !== null) {
    return [
      hasKey(
        "account",
        withoutEmpty(userIds).map((id) => accountKey(provider, id)),
      ),
    ];
  }
  const [given, missing] =
    provider === undefined ? ["provider_user_id", "provider"] : ["provider", "provider_user_id"];
  throw invalid(missing, `${given} goes only together with ${missing}.`, "form_conditional_param_missing");
}

/** An empty term filters nothing. */
function termOf(params: RawParams, name: string, field: Term["field"]): Condition[] {
  const text = params[name]?.[0];
  return text ? [{ kind: "term", how: "contains", field, text }] : [];
}

function bannedOf(params: RawParams): Condition[] {
  const value = params.banned?.[0];
  if (value === undefined) return [];
  if (value !== "true" && value !== "false") throw invalid("banned", "banned must be true or false.");
  return [{ kind: "compare", field: "banned", operator: "eq", value: value === "true" }];
}

function rangeOf(params: RawParams, field: TimeField): Condition[] {
  const beforeMs = integerOf(params, `${field}_before`);
  const afterMs = integerOf(params, `${field}_after`);
  return [
    ...(beforeMs === null ? [] : [bound(field, "lt", beforeMs)]),
    ...(afterMs === null ? [] : [bound(field, "gt", afterMs)]),
  ];
}

/** From the start of that UTC day. */
function activeSinceOf(params: RawParams): Condition[] {
  const sinceMs = integerOf(params, "last_active_at_since");
  return sinceMs === null ? [] : [bound("last_active_at", "gte", Math.floor(sinceMs / DAY_MS) * DAY_MS)];
}

const bound = (field: TimeField, operator: Bound, valueMs: number): Compare => ({
  kind: "compare",
  field,
  operator,
  valueMs,
});

function integerOf(params: RawParams, name: string): number | null {
  const text = params[name]?.[0];
  if (text === undefined) return null;
  const value = /^[+-]?\d{1,17}$/.test(text) ? Number(text) : Number.NaN;
  if (Math.abs(value) <= 2 ** 53) return value;
  throw invalid(name, `${name} must be a whole number between -2^53 and 2^53.`);
}

function orderOf(params: RawParams): OrderBy {
  const text = decodedPlus(params.order_by?.[0] ?? "-created_at");
  const field = ORDER_FIELDS.find((name) => name === text.replace(/^[+-]/, ""));
  if (field) return { field, descending: text.startsWith("-") };
  throw invalid("order_by", `order_by must be one of ${ORDER_FIELDS.join(", ")}, with + or - before it.`);
}
