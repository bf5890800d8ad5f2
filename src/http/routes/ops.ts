import { Hono } from "hono";
import { AppError } from "../../lib/errors.js";
import { type HttpEnv, respondJson } from "../respond.js";

/** The state of the process. It is `starting` until it is connected and migrated. */
export const READINESS = ["starting", "live", "backfilling", "degraded", "draining"] as const;
export type Readiness = (typeof READINESS)[number];

/** Some balancers, such as HAProxy with `option httpchk /readyz`, ask with OPTIONS. */
const ASKED_BY = ["GET", "OPTIONS"];

/** The routes that a balancer asks. They are open, because they tell only whether to send requests here. */
export function opsRoutes(readiness: () => Readiness): Hono<HttpEnv> {
  return (
    new Hono<HttpEnv>()
      .on(ASKED_BY, "/healthz", (c) => respondJson(c, { status: "ok" }))
      // What a bare `option httpchk` of HAProxy asks for. The answer says only that somebody took the connection.
      .options("/", (c) => respondJson(c, { status: "ok" }))
      .on(ASKED_BY, "/readyz", (c) => {
        const state = readiness();
        if (state === "starting" || state === "draining") {
          throw new AppError("not_ready", `The mirror is ${state}.`, { meta: { state } });
        }
        return respondJson(c, { state });
      })
  );
}
