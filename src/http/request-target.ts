import type { Context } from "hono";
import { AppError } from "../lib/errors.js";
import type { HttpEnv } from "./respond.js";

/** A request line's path and query (with its `?`, or empty). */
export interface RequestTarget {
  path: string;
  search: string;
}

/**
 * The target exactly as it was sent. The app's own path has dot segments resolved and escapes decoded, but what a key
 * may do must be decided on the very path that Clerk will see.
 */
export function requestTarget(c: Context<HttpEnv>): RequestTarget {
  const sent = c.env?.incoming?.url;
  const target = sent?.startsWith("/") ? sent : withoutOrigin(c.req.url);
  if (target.includes("#")) throw new AppError("bad_request", "The request's path holds a fragment.");
  const query = target.indexOf("?");
  return query === -1
    ? { path: target, search: "" }
    : { path: target.slice(0, query), search: target.slice(query) };
}

const withoutOrigin = (url: string) => url.slice(new URL(url).origin.length);
