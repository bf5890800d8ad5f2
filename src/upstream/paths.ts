import { AppError } from "../lib/errors.js";
import {
  type AnswerEffect,
  CLERK_ROUTES,
  type ClerkRoute,
  type EndpointLimit,
  type LocalRead,
} from "./clerk-routes.js";
import { createRouteTree, segmentsOf } from "./route-tree.js";

/** What a request to Clerk's API is to the mirror, told by its method and path alone: an entry of the table, applied. */
export interface Route {
  /** Normalised: what is sent to Clerk. */
  path: string;
  /** The path without its ids: the name of the route in logs and metrics. */
  template: string;
  /** The entry's own template, of which there are only as many as the table has entries. */
  endpoint: string;
  /** Null: the request is forwarded. */
  local: LocalRead | null;
  /** What the path's first parameter says, decoded. */
  id: string | null;
  scope: ClerkRoute["scope"];
  effect: AnswerEffect;
  ownLimit: EndpointLimit | null;
}

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

/** Null: no path of Clerk's API. `path` comes from `normalisePath`. */
export function classify(method: string, path: string): Route | null {
  if (BASE_URL_MISTAKEN.test(path)) return null;
  const segments = segmentsOf(path);
  const found = TREE.find(method, segments);
  if (found === null) return null;
  const { entry, idAt } = found;
  const encoded = idAt === null ? undefined : segments[idAt];
  const id = encoded?.includes("%") ? decodeURIComponent(encoded) : (encoded ?? null);
  return {
    path,
    template: entry.template.endsWith("**") ? TREE.nameOf(segments) : entry.template,
    endpoint: entry.template,
    local: entry.local ?? null,
    id,
    scope: entry.scope,
    effect: effectOn(entry.effect ?? "none", id),
    ownLimit: entry.ownLimit ?? null,
  };
}

/** `/v1` alone, or twice: a client that adds it itself was given a base URL that has it already. */
const BASE_URL_MISTAKEN = /^\/v1(\/v1(\/|$)|$)/i;

function effectOn(kind: AnswerEffect["kind"], id: string | null): AnswerEffect {
  switch (kind) {
    case "user":
    case "refetch_user":
      return { kind, userId: id };
    case "user_deleted":
      return { kind, userId: id ?? "" };
    case "organization_deleted":
      return { kind, organizationId: id ?? "" };
    default:
      return { kind };
  }
}

/** The path without the ids in it: they are people, and what is done to each of them is one endpoint. */
export const templateOf = (path: string): string =>
  // Doubled slashes would hide from the table whose id comes next.
  TREE.nameOf(segmentsOf(path.replace(/\/{2,}/g, "/")));

/** The template of the entry that a request belongs to, whatever its path holds. Null: none. */
export const endpointOf = (method: string, path: string): string | null =>
  BASE_URL_MISTAKEN.test(path) ? null : (TREE.find(method, segmentsOf(path))?.entry.template ?? null);

const TREE = createRouteTree(CLERK_ROUTES);
