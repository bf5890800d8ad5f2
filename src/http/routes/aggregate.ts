import { Hono } from "hono";
import type { Aggregates } from "../../query/aggregate/aggregates.js";
import { parseAggregate } from "../../query/aggregate/request.js";
import { tooLong } from "../../query/language/json-text.js";
import { askerOf } from "../asker.js";
import { limitBody, requireScope } from "../middleware.js";
import { type HttpEnv, respond } from "../respond.js";

export interface AggregateDeps {
  aggregates: Aggregates;
  nowMs: () => number;
  asOfMs: () => number | null;
}

/** Its parser holds each member to less. */
const MOST_BODY_BYTES = 512 * 1024;
const filterTooLong = () => tooLong("filter");

/** How many users there are of each kind. */
export function aggregateRoutes({ aggregates, nowMs, asOfMs }: AggregateDeps): Hono<HttpEnv> {
  return new Hono<HttpEnv>().post(
    "/mirror/users/aggregate",
    requireScope("users:read"),
    limitBody(MOST_BODY_BYTES, filterTooLong),
    async (c) => {
      const { scopes } = c.get("principal");
      const request = parseAggregate(await c.req.text(), { nowMs: nowMs(), scopes });
      c.get("headers")["x-mirror-source"] = "local";
      c.set("readFrom", "postgres");
      const provenMs = asOfMs();
      if (provenMs !== null) c.get("headers")["x-mirror-as-of"] = String(provenMs);
      return respond(c, await aggregates.of(request, askerOf(c)));
    },
  );
}
