import { Hono, type MiddlewareHandler } from "hono";
import type { Scrape } from "../../observability/scrape.js";
import { type HttpEnv, respond } from "../respond.js";

/** What Prometheus reads. `guard` decides who else does. */
export function metricsRoutes(scrape: Scrape, guard: MiddlewareHandler<HttpEnv>): Hono<HttpEnv> {
  return new Hono<HttpEnv>().get("/metrics", guard, async (c) => {
    const { type, text } = await scrape();
    return respond(c, text, 200, { "content-type": type });
  });
}
