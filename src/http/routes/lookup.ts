import { Hono } from "hono";
import { parseLookup } from "../../query/language/lookup-request.js";
import { problem } from "../../query/language/problems.js";
import type { LookUpUsers } from "../../query/lookup-users.js";
import { askerOf, viewOf } from "../asker.js";
import { BODY_BYTES } from "../body-limits.js";
import { limitBody, requireScope } from "../middleware.js";
import { type HttpEnv, markFromPostgres, respond } from "../respond.js";

const keysTooLong = () => problem("keys", "must be at most 1000, of 1024 KiB in all.");

export interface LookupDeps {
  lookUpUsers: LookUpUsers;
  asOfMs: () => number | null;
}

/** Many users at once, by what names each of them. */
export function lookupRoutes({ lookUpUsers, asOfMs }: LookupDeps): Hono<HttpEnv> {
  return new Hono<HttpEnv>().post(
    "/mirror/users/lookup",
    requireScope("users:read"),
    limitBody(BODY_BYTES.lookup, keysTooLong),
    async (c) => {
      const request = parseLookup(await c.req.text(), c.get("principal").scopes);
      markFromPostgres(c, asOfMs());
      const users = await lookUpUsers(request, viewOf(c), askerOf(c));
      return respond(c, Buffer.concat([BEFORE, users, BEHIND]));
    },
  );
}

const [BEFORE, BEHIND] = [Buffer.from('{"data":'), Buffer.from("}")];
