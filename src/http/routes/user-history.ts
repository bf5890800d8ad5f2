import { Hono } from "hono";
import { AppError } from "../../lib/errors.js";
import type { ReadUserHistory } from "../../operations/user-history.js";
import { askerOf } from "../asker.js";
import { requireScope } from "../middleware.js";
import { type HttpEnv, respondJson } from "../respond.js";

/** What could be an id at all. */
const USER_ID = /^[!-~]{1,200}$/;

/** What told the mirror about one user, and when. It holds nothing personal. */
export function userHistoryRoutes(readHistory: ReadUserHistory): Hono<HttpEnv> {
  return new Hono<HttpEnv>().get("/mirror/users/:id/history", requireScope("changes:read"), async (c) => {
    const id = c.req.param("id");
    if (!USER_ID.test(id)) throw noUser(id);
    const history = await readHistory(id, askerOf(c));
    if (!history.stored && history.events.length === 0) throw noUser(id);
    return respondJson(c, history);
  });
}

const noUser = (id: string) =>
  new AppError("not_found", "not found", { longMessage: `Nothing was heard of a user with id ${id}` });
