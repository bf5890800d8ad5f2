import { AppError } from "../lib/errors.js";

/** A decoded query string: `c.req.queries()`. */
export type RawParams = Readonly<Record<string, readonly string[]>>;

/** Values to keep and values to leave out; `include` null: everybody not left out. */
export interface Signed {
  include: string[] | null;
  exclude: string[];
}

/** Strict on both sides; null: open. */
export interface TimeRange {
  beforeMs: number | null;
  afterMs: number | null;
}

/** What `GET /users` and `GET /users/count` filter by. Null, or an open range: no filter. All parts must hold. */
export interface UserFilter {
  emailAddress: string[] | null;
  phoneNumber: string[] | null;
  username: string[] | null;
  web3Wallet: string[] | null;
  externalId: Signed | null;
  userId: Signed | null;
  organizationId: Signed | null;
  /** Of a linked account: the provider and any of these ids there. */
  account: { provider: string; userIds: string[] } | null;
  query: string | null;
  emailAddressQuery: string | null;
  phoneNumberQuery: string | null;
  usernameQuery: string | null;
  nameQuery: string | null;
  banned: boolean | null;
  createdAt: TimeRange;
  lastActiveAt: TimeRange;
  lastSignInAt: TimeRange;
  /** Inclusive; already the start of a UTC day. */
  lastActiveSinceMs: number | null;
}

export const ORDER_FIELDS = [
  "created_at",
  "updated_at",
  "email_address",
  "web3wallet",
  "first_name",
  "last_name",
  "phone_number",
  "username",
  "last_active_at",
  "last_sign_in_at",
] as const;
export type OrderField = (typeof ORDER_FIELDS)[number];

export interface OrderBy {
  field: OrderField;
  descending: boolean;
}

export interface Page {
  limit: number;
  offset: number;
}

export interface ListParams extends Page {
  filter: UserFilter;
  orderBy: OrderBy;
  /** The id of the user before the page. */
  startingAfter: string | null;
}

const MOST_VALUES = 100;
const MOST_ROWS = 500;
const DAY_MS = 86_400_000;

/** Throws `invalid_request`, naming the parameter. Unknown parameters, and those of lists alone, are ignored. */
export function parseUserFilter(params: RawParams): UserFilter {
  return {
    emailAddress: listOf(params, "email_address"),
    phoneNumber: listOf(params, "phone_number")?.map(decodedPlus) ?? null,
    username: listOf(params, "username"),
    web3Wallet: listOf(params, "web3_wallet"),
    externalId: signedOf(params, "external_id"),
    userId: signedOf(params, "user_id"),
    organizationId: signedOf(params, "organization_id"),
    account: accountOf(params),
    query: termOf(params, "query"),
    emailAddressQuery: termOf(params, "email_address_query"),
    phoneNumberQuery: termOf(params, "phone_number_query"),
    usernameQuery: termOf(params, "username_query"),
    nameQuery: termOf(params, "name_query"),
    banned: booleanOf(params, "banned"),
    createdAt: rangeOf(params, "created_at"),
    lastActiveAt: rangeOf(params, "last_active_at"),
    lastSignInAt: rangeOf(params, "last_sign_in_at"),
    lastActiveSinceMs: sinceOf(params),
  };
}

/** Whether it keeps everybody. */
export function isUnfiltered(filter: UserFilter): boolean {
  return Object.values(filter).every(
    (part) =>
      part === null || ("beforeMs" in Object(part) && part.beforeMs === null && part.afterMs === null),
  );
}

/** The same for a list. A cursor goes only with the order it was made for, and without an offset. */
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
function listOf(params: RawParams, name: string): string[] | null {
  return valuesOf(params, name)?.filter((value) => value !== "") ?? null;
}

/** `+a` and `a` include, `-a` excludes. Exactly one sign is taken off: `++7` finds `+7`. */
function signedOf(params: RawParams, name: string): Signed | null {
  const values = valuesOf(params, name)?.map(decodedPlus);
  if (!values) return null;
  const excluded = values.filter((value) => value.startsWith("-"));
  const included = values.filter((value) => !value.startsWith("-"));
  const bare = (list: string[]) =>
    list.map((value) => value.replace(/^[+-]/, "")).filter((value) => value !== "");
  return { include: included.length > 0 ? bare(included) : null, exclude: bare(excluded) };
}

/** A `+` that the sender forgot to escape arrives as a space. */
const decodedPlus = (value: string) => (value.startsWith(" ") ? `+${value.slice(1)}` : value);

function accountOf(params: RawParams): UserFilter["account"] {
  const provider = params.provider?.[0];
  const userIds = valuesOf(params, "provider_user_id");
  if (provider === undefined && userIds === null) return null;
  if (provider !== undefined && userIds !== null) {
    return { provider, userIds: userIds.filter((id) => id !== "") };
  }
  const [given, missing] =
    provider === undefined ? ["provider_user_id", "provider"] : ["provider", "provider_user_id"];
  throw invalid(missing, `${given} goes only together with ${missing}.`, "form_conditional_param_missing");
}

/** An empty term filters nothing. */
function termOf(params: RawParams, name: string): string | null {
  return params[name]?.[0] || null;
}

function booleanOf(params: RawParams, name: string): boolean | null {
  const value = params[name]?.[0];
  if (value === undefined) return null;
  if (value === "true" || value === "false") return value === "true";
  throw invalid(name, `${name} must be true or false.`);
}

function rangeOf(params: RawParams, name: string): TimeRange {
  return {
    beforeMs: integerOf(params, `${name}_before`),
    afterMs: integerOf(params, `${name}_after`),
  };
}

function sinceOf(params: RawParams): number | null {
  const sinceMs = integerOf(params, "last_active_at_since");
  return sinceMs === null ? null : Math.floor(sinceMs / DAY_MS) * DAY_MS;
}

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
