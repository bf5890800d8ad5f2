import { type Context, Hono } from "hono";
import type { FilterContext } from "../../query/language/json-filter.js";
import { tooLong } from "../../query/language/json-text.js";
import { parseUserLink, parseUserQuery, type UserQuery } from "../../query/language/request.js";
import type { UserSearch } from "../../query/user-search.js";
import { askerOf, viewOf } from "../asker.js";
import { limitBody, requireScope } from "../middleware.js";
import { type HttpEnv, respond } from "../respond.js";

/** Sends the whole result of a query. Null: the request doesn't accept any of its forms. */
export type StreamUsers = (c: Context<HttpEnv>, query: UserQuery) => Promise<Response> | null;

export interface UserQueriesDeps {
  search: UserSearch;
  stream: StreamUsers;
  nowMs: () => number;
  asOfMs: () => number | null;
}

/** Its parser holds each member to less, but a cursor names what its user has in every key of the order. */
const MOST_BODY_BYTES = 512 * 1024;
const filterTooLong = () => tooLong("filter");

/** What Clerk can't be asked: users by filters of the mirror's own language, or of SCIM. */
export function userQueriesRoutes({ search, stream, nowMs, asOfMs }: UserQueriesDeps): Hono<HttpEnv> {
  async function answer(c: Context<HttpEnv>, query: UserQuery): Promise<Response> {
    c.get("headers")["x-mirror-source"] = "local";
    c.set("readFrom", "postgres");
    const provenMs = asOfMs();
    if (provenMs !== null) c.get("headers")["x-mirror-as-of"] = String(provenMs);
    return stream(c, query) ?? respond(c, await search(query, viewOf(c), askerOf(c)));
  }

  const contextOf = (c: Context<HttpEnv>): FilterContext => ({
    nowMs: nowMs(),
    scopes: c.get("principal").scopes,
  });

  const reader = requireScope("users:read");
  return new Hono<HttpEnv>()
    .post("/mirror/users/query", reader, limitBody(MOST_BODY_BYTES, filterTooLong), async (c) =>
      answer(c, parseUserQuery(await c.req.text(), contextOf(c))),
    )
    .get("/mirror/users", reader, (c) => answer(c, parseUserLink(c.req.queries(), contextOf(c))));
}
