import { type Context, Hono } from "hono";
import { DAY_MS, isoDay } from "../../lib/days.js";
import { invalid } from "../../query/clerk-params.js";
import type { DailyUsers } from "../../query/daily-users.js";
import { requireScope } from "../middleware.js";
import { type HttpEnv, markFromPostgres, respondJson } from "../respond.js";

export interface DailyUsersDeps {
  /** From one day to another, both included. */
  read(from: string, to: string): Promise<DailyUsers[]>;
  nowMs: () => number;
  asOfMs: () => number | null;
}

/** Ten years. */
export const MOST_DAYS = 3660;
const DEFAULT_DAYS = 30;

/** `GET /mirror/users/daily?from=2026-11-01&to=2026-11-30`: a row for each UTC day, by default the last thirty. */
export function dailyUsersRoutes({ read, nowMs, asOfMs }: DailyUsersDeps): Hono<HttpEnv> {
  return new Hono<HttpEnv>().get("/mirror/users/daily", requireScope("users:read"), async (c) => {
    const to = dayOf(c, "to") ?? isoDay(nowMs());
    const from = dayOf(c, "from") ?? isoDay(Date.parse(to) - (DEFAULT_DAYS - 1) * DAY_MS);
    if (Date.parse(to) - Date.parse(from) >= MOST_DAYS * DAY_MS)
      throw invalid("from", `from must be at most ${MOST_DAYS} days before to.`);
    const data = await read(from, to);
    markFromPostgres(c, asOfMs());
    return respondJson(c, { data });
  });
}

function dayOf(c: Context<HttpEnv>, name: string): string | null {
  const text = c.req.query(name);
  if (text === undefined) return null;
  const ms = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(text) : Number.NaN;
  // `2026-02-30` is the second of March to JavaScript, and year 0 is none of Postgres'.
  if (ms >= Date.parse("0001-01-01") && isoDay(ms) === text) return text;
  throw invalid(name, `${name} must be a day, such as 2026-11-30.`);
}
