import { Hono } from "hono";
import { parseLookup } from "../../query/language/lookup-request.js";
import type { LookUpUsers } from "../../query/lookup-users.js";
import { askerOf, viewOf } from "../asker.js";
import { limitBody, requireScope } from "../middleware.js";
import { type HttpEnv, respond } from "../respond.js";

/** A thousand of the longest addresses, with room for escapes. */
const MAX_BODY_BYTES = 1024 * 1024;

/** Many users at once, by what names each of them. */
export function lookupRoutes(lookUp: LookUpUsers): Hono<HttpEnv> {
  return new Hono<HttpEnv>().post(
    "/mirror/users/lookup",
    requireScope("users:read"),
    limitBody(MAX_BODY_BYTES, "this request"),
    async (c) => {
      const request = parseLookup(await c.req.text(), c.get("principal").scopes);
      const users = await lookUp(request, viewOf(c), askerOf(c));
      return respond(c, Buffer.concat([BEFORE, users, BEHIND]));
    },
  );
}

const [BEFORE, BEHIND] = [Buffer.from('{"data":'), Buffer.from("}")];
