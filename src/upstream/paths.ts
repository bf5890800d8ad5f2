import { AppError } from "../lib/errors.js";

/** What a request to Clerk's API is to the mirror, told by its method and path alone. */
export interface Route {
  /** Normalised: what is sent to Clerk. */
  path: string;
  /** The reads that the mirror answers itself. */
  local: "list" | "count" | "get" | "memberships" | null;
  userId: string | null;
  /** What a key needs for it. */
  scope: "users:read" | "users:write" | "proxy";
  effect: AnswerEffect;
}

/** What a successful answer says about the mirror's data. */
export type AnswerEffect =
  | { kind: "none" }
  /** The answer is a user; `userId` where the path names one. */
  | { kind: "user"; userId: string | null }
  /** The answer is a list of users. */
  | { kind: "users" }
  | { kind: "user_deleted"; userId: string }
  /** The answer holds no user, but the request may have changed one; null: the answer's `user_id` says whom. */
  | { kind: "refetch_user"; userId: string | null }
  | { kind: "organization" }
  | { kind: "organizations" }
  | { kind: "organization_deleted"; organizationId: string }
  | { kind: "membership" }
  | { kind: "memberships" }
  /** The answer is the whole membership, as if it still lived. */
  | { kind: "membership_deleted" };

const NONE: AnswerEffect = { kind: "none" };

/**
 * The path that both the mirror and Clerk will understand alike, so that a scope can't be chosen for one path and the
 * request sent to another: repeated slashes collapsed, needless escapes decoded. Throws `bad_request` for dot segments
 * and encoded slashes.
 */
export function normalisePath(path: string): string {
  if (PLAIN_PATH.test(path)) return path;
  const segments = path.split("/").filter((segment) => segment !== "");
  return `/${segments.map(normaliseSegment).join("/")}`;
}

/** Nothing in it to collapse or to decode, nor a dot. */
const PLAIN_PATH = /^(\/[\w~!*'()-]+)+$/;

function normaliseSegment(segment: string): string {
  let decoded: string;
  try {
    decoded = decodeURIComponent(segment);
  } catch {
    throw new AppError("bad_request", "The request's path holds a broken escape.");
  }
  if (decoded === "." || decoded === ".." || /[/\\\0]/.test(decoded)) {
    throw new AppError("bad_request", "The request's path holds a dot segment or an encoded slash.");
  }
  return encodeURIComponent(decoded);
}

/** Paths outside `/v1` that the official SDK calls too. */
const UNVERSIONED = [
  /^\/api_keys(\/|$)/,
  /^\/m2m_tokens(\/|$)/,
  /^\/oauth_applications\/access_tokens(\/|$)/,
];

/** Null: no path of Clerk's API. `path` comes from `normalisePath`. */
export function classify(method: string, path: string): Route | null {
  if (/^\/v1\/users(\/|$)/.test(path)) return usersRoute(method, path);
  if (!/^\/v1\/(?![vV]1(\/|$))/.test(path) && !UNVERSIONED.some((pattern) => pattern.test(path))) return null;
  const other = { path, local: null, userId: null, scope: "proxy" } as const;
  return { ...other, effect: effectElsewhere(method, segmentsOf(path)) };
}

const isRead = (method: string) => method === "GET" || method === "HEAD";

/** Words where another path has a user's id. */
const LITERALS = new Set(["count", "ban", "unban", "me"]);

function usersRoute(method: string, path: string): Route {
  const [, , id, ...rest] = segmentsOf(path);
  const userId = id === undefined || LITERALS.has(id) ? null : decodeURIComponent(id);
  const sub = rest[0] ?? null;
  const tokens = sub === "oauth_access_tokens";
  const reads = isRead(method);
  const local = reads ? localRead(id, userId, rest) : null;
  return {
    path,
    local,
    userId,
    scope: reads && !tokens ? "users:read" : "users:write",
    effect: reads ? readEffect(local, userId) : writeEffect(method, id, userId, rest),
  };
}

function localRead(id: string | undefined, userId: string | null, rest: readonly string[]): Route["local"] {
  if (id === undefined) return "list";
  if (id === "count" && rest.length === 0) return "count";
  if (userId === null) return null;
  if (rest.length === 0) return "get";
  return rest.length === 1 && rest[0] === "organization_memberships" ? "memberships" : null;
}

function readEffect(local: Route["local"], userId: string | null): AnswerEffect {
  switch (local) {
    case "list":
      return { kind: "users" };
    case "get":
      return { kind: "user", userId };
    case "memberships":
      return { kind: "memberships" };
    default:
      return NONE;
  }
}

/** The sub-resources whose write answers the whole user. */
const ANSWERS_USER = new Set([
  "ban",
  "unban",
  "lock",
  "unlock",
  "metadata",
  "profile_image",
  "remove_password",
]);
/** Writes that leave the user as it is. */
const LEAVES_USER = new Set(["verify_password", "billing", "organization_invitations"]);

function writeEffect(
  method: string,
  id: string | undefined,
  userId: string | null,
  rest: readonly string[],
): AnswerEffect {
  if (id === undefined) return method === "POST" ? { kind: "user", userId: null } : NONE;
  if (userId === null) return id === "ban" || id === "unban" ? { kind: "users" } : NONE;
  const [sub] = rest;
  if (sub === undefined) {
    return method === "DELETE" ? { kind: "user_deleted", userId } : { kind: "user", userId };
  }
  if (rest.length === 1 && ANSWERS_USER.has(sub)) return { kind: "user", userId };
  if (sub === "password" && rest.length === 2) return { kind: "user", userId };
  return LEAVES_USER.has(sub) ? NONE : { kind: "refetch_user", userId };
}

/** `/v1/organizations…`, `/v1/organization_memberships`, and the identifiers that have paths of their own. */
function effectElsewhere(method: string, segments: readonly string[]): AnswerEffect {
  const [, what, id, sub, ...rest] = segments;
  if (what === "organization_memberships") return isRead(method) ? { kind: "memberships" } : NONE;
  if (what === "email_addresses" || what === "phone_numbers") {
    return isRead(method) ? NONE : { kind: "refetch_user", userId: null };
  }
  if (what !== "organizations") return NONE;
  if (id === undefined) return isRead(method) ? { kind: "organizations" } : { kind: "organization" };
  if (sub === undefined) {
    return method === "DELETE"
      ? { kind: "organization_deleted", organizationId: id }
      : { kind: "organization" };
  }
  if (sub === "metadata" || sub === "logo") return isRead(method) ? NONE : { kind: "organization" };
  return sub === "memberships" ? membershipEffect(method, rest) : NONE;
}

function membershipEffect(method: string, rest: readonly string[]): AnswerEffect {
  if (rest.length === 0) return isRead(method) ? { kind: "memberships" } : { kind: "membership" };
  if (method === "DELETE" && rest.length === 1) return { kind: "membership_deleted" };
  return isRead(method) ? NONE : { kind: "membership" };
}

const segmentsOf = (path: string) => path.split("/").slice(1);

/** The path without the ids in it: they are people, and what is done to each of them is one endpoint. */
export const templateOf = (path: string): string =>
  ONE_USER.test(path)
    ? "/v1/users/{id}"
    : path.replace(/^(\/v1\/users\/)(?!count$|ban$|unban$)[^/]+/, "$1{id}").replace(/[^/]+/g, wordOrId);

/** What is asked most is told without looking at each of its words. */
const ONE_USER = /^\/v1\/users\/user_\w+$/;

// Whatever isn't plainly a word of a route may be an id, or a key that somebody pasted into the wrong place.
const wordOrId = (segment: string) => (WORD.test(segment) ? segment : "{id}");

const WORD = /^(v\d|web3_wallets|m2m_tokens|[a-z]{1,20}(_[a-z]{1,20}){0,3}|\{id\})$/;
