import { type Context, Hono } from "hono";
import { AppError } from "../../lib/errors.js";
import { invalid } from "../../query/clerk-params.js";
import { parsePlace } from "../../query/created-place.js";
import type { OrganizationQueries, PlacedPage } from "../../query/organizations.js";
import { askerOf } from "../asker.js";
import { requireScope } from "../middleware.js";
import { type HttpEnv, markFromPostgres, respondJson } from "../respond.js";

export interface OrganizationsDeps {
  organizations: OrganizationQueries;
  /** The moment up to which organizations and memberships were proved complete; null: not yet. */
  asOfMs: () => number | null;
}

const USUAL_LIMIT = 50;
const MOST_LIMIT = 500;
const MOST_QUERY_CHARS = 256;
/** What could be an id at all. */
const ORGANIZATION_ID = /^[!-~]{1,200}$/;

/** Organizations, their members, and how they grew: from the mirror, where Clerk's own lists take the scope `proxy`. */
export function organizationsRoutes({ organizations, asOfMs }: OrganizationsDeps): Hono<HttpEnv> {
  const reader = requireScope("users:read");
  return new Hono<HttpEnv>()
    .get("/mirror/organizations", reader, async (c) => {
      markFromPostgres(c, asOfMs());
      return respondJson(c, await organizations.list(pageOf(c), askerOf(c)));
    })
    .get("/mirror/organizations/:id", reader, async (c) => {
      markFromPostgres(c, asOfMs());
      const id = idOf(c);
      const found = await organizations.get(id, askerOf(c));
      if (!found) throw noOrganization(id);
      return respondJson(c, found);
    })
    .get("/mirror/organizations/:id/members", reader, async (c) => {
      markFromPostgres(c, asOfMs());
      return respondJson(c, await organizations.members(idOf(c), pageOf(c), askerOf(c)));
    });
}

function pageOf(c: Context<HttpEnv>): PlacedPage {
  const query = c.req.query("query") ?? "";
  if (query.length > MOST_QUERY_CHARS)
    throw invalid("query", `query takes at most ${MOST_QUERY_CHARS} characters.`);
  const cursor = c.req.query("cursor");
  return { query, limit: limitOf(c.req.query("limit")), after: cursor ? parsePlace(cursor) : null };
}

function limitOf(text: string | undefined): number {
  if (text === undefined) return USUAL_LIMIT;
  const limit = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= MOST_LIMIT) return limit;
  throw invalid("limit", `limit must be a whole number from 1 to ${MOST_LIMIT}.`);
}

function idOf(c: Context<HttpEnv>): string {
  const id = c.req.param("id") ?? "";
  if (ORGANIZATION_ID.test(id)) return id;
  throw noOrganization(id);
}

const noOrganization = (id: string) =>
  new AppError("not_found", "not found", { longMessage: `No organization was found with id ${id}` });
