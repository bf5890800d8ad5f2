import type { Context } from "hono";
import { matchedRoutes } from "hono/route";
import { endpointOf } from "../upstream/paths.js";
import type { HttpEnv } from "./respond.js";

/** What no route of ours or Clerk's was made for. */
const UNMATCHED = "unmatched";

/**
 * The template of the route that a request is for, whether or not it was let in: one of a bounded set, whatever is asked. So it
 * can be a label of metrics, which the path of a log's line can't: that keeps the words of paths that nobody has.
 */
export function routeName(c: Context<HttpEnv>): string {
  const route = c.get("route");
  if (route) return route.endpoint;
  const own = matchedRoutes(c).find(({ path }) => !path.includes("*"));
  if (own) return own.path.replace(/:(\w+)(\{[^}]*\})?/g, "{$1}");
  return endpointOf(c.req.method === "HEAD" ? "GET" : c.req.method, c.req.path) ?? UNMATCHED;
}
