import { Hono } from "hono";
import type { Aggregates } from "../../query/aggregate/aggregates.js";
import type { Cohorts } from "../../query/aggregate/cohorts.js";
import { parseRetention } from "../../query/aggregate/cohorts-request.js";
import { parseAggregate } from "../../query/aggregate/request.js";
import { askerOf } from "../asker.js";
import { filterContextOf, limitFilterBody } from "../filters.js";
import { requireScope } from "../middleware.js";
import { type HttpEnv, markFromPostgres, respond } from "../respond.js";

export interface AggregateDeps {
  aggregates: Aggregates;
  cohorts: Cohorts;
  nowMs: () => number;
  asOfMs: () => number | null;
}

/** How many users there are of each kind, and how many of them come back. */
export function aggregateRoutes({ aggregates, cohorts, nowMs, asOfMs }: AggregateDeps): Hono<HttpEnv> {
  return new Hono<HttpEnv>()
    .post("/mirror/users/aggregate", requireScope("users:read"), limitFilterBody, async (c) => {
      const request = parseAggregate(await c.req.text(), filterContextOf(c, nowMs()));
      markFromPostgres(c, asOfMs());
      return respond(c, await aggregates.of(request, askerOf(c)));
    })
    .post("/mirror/users/retention", requireScope("users:read"), limitFilterBody, async (c) => {
      const request = parseRetention(await c.req.text(), filterContextOf(c, nowMs()));
      markFromPostgres(c, asOfMs());
      return respond(c, await cohorts.of(request, askerOf(c)));
    });
}
