import { type Context, Hono } from "hono";
import { parseUserLink, parseUserQuery, type UserQuery } from "../../query/language/request.js";
import type { UserSearch } from "../../query/user-search.js";
import { askerOf, viewOf } from "../asker.js";
import { filterContextOf, limitFilterBody } from "../filters.js";
import { requireScope } from "../middleware.js";
import { type HttpEnv, markFromPostgres, respond } from "../respond.js";

/** Sends the whole result of a query. Null: the request doesn't accept any of its forms. */
export type StreamUsers = (c: Context<HttpEnv>, query: UserQuery) => Promise<Response> | null;

export interface UserQueriesDeps {
  search: UserSearch;
  stream: StreamUsers;
  nowMs: () => number;
  asOfMs: () => number | null;
}

/** What Clerk can't be asked: users by filters of the mirror's own language, or of SCIM. */
export function userQueriesRoutes({ search, stream, nowMs, asOfMs }: UserQueriesDeps): Hono<HttpEnv> {
  async function answer(c: Context<HttpEnv>, query: UserQuery): Promise<Response> {
    markFromPostgres(c, asOfMs());
    return stream(c, query) ?? respond(c, await search(query, viewOf(c), askerOf(c)));
  }

  const reader = requireScope("users:read");
  return new Hono<HttpEnv>()
    .post("/mirror/users/query", reader, limitFilterBody, async (c) =>
      answer(c, parseUserQuery(await c.req.text(), filterContextOf(c, nowMs()))),
    )
    .get("/mirror/users", reader, (c) =>
      answer(c, parseUserLink(c.req.queries(), filterContextOf(c, nowMs()))),
    );
}
