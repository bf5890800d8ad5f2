import { type Context, Hono } from "hono";
import { AppError } from "../../lib/errors.js";
import { hidePrivateMetadata } from "../../lib/private-metadata.js";
import { parseListParams, parsePage, parseUserFilter } from "../../query/filter.js";
import type { MembershipQueries } from "../../query/memberships.js";
import { hasEnd } from "../../query/present.js";
import type { UserLookup, UserQueries, View } from "../../query/users.js";
import type { Completeness } from "../../sync/completeness.js";
import type { ReadThrough } from "../../sync/read-through.js";
import type { AnswerByClerk } from "../clerk-answer.js";
import { etagOf, isNamedBy } from "../etag.js";
import { type HttpEnv, JSON_TYPE, respond } from "../respond.js";

export interface UsersParts {
  users: UserQueries;
  memberships: MembershipQueries;
  readThrough: ReadThrough;
  completeness: Pick<Completeness, "isBackfilled" | "asOfMs">;
  answerByClerk: AnswerByClerk;
}

/**
 * The four reads that the mirror answers itself, and passes on to Clerk while it can't vouch for its own answer. Stored
 * text goes out as it is: parsing and printing a page of 500 blocks the loop for 6 ms.
 */
export function usersRoutes(parts: UsersParts): Hono<HttpEnv> {
  const { users, memberships, readThrough, completeness, answerByClerk } = parts;

  const mustAskClerk = (c: Context<HttpEnv>) => c.req.header("X-Mirror-Read")?.toLowerCase() === "upstream";

  async function list(c: Context<HttpEnv>): Promise<Response> {
    const params = parseListParams(c.req.queries());
    if (mustAskClerk(c) || !completeness.isBackfilled()) return answerByClerk(c);
    return respond(c, await users.list(params, viewOf(c)));
  }

  async function count(c: Context<HttpEnv>): Promise<Response> {
    const filter = parseUserFilter(c.req.queries());
    if (mustAskClerk(c) || !completeness.isBackfilled()) return answerByClerk(c);
    return respond(c, JSON.stringify({ object: "total_count", total_count: await users.count(filter) }));
  }

  async function get(c: Context<HttpEnv>, id: string): Promise<Response> {
    if (mustAskClerk(c)) return answerByClerk(c);
    const view = viewOf(c);
    const known = await users.get(id, view);
    if (known.kind === "live") return respondTagged(c, known);
    if (known.kind === "gone") throw noUser(id);

    c.get("headers")["x-mirror-source"] = "upstream";
    const asked = await readThrough.user(id);
    if (asked.kind === "gone") throw noUser(id);
    // Something newer may have been stored meanwhile, and what can't be stored is still the answer.
    const stored = await users.get(id, view);
    if (stored.kind === "gone") throw noUser(id);
    if (stored.kind === "live") return respond(c, stored.json);
    if (asked.kind === "stored") throw new AppError("not_ready", "The mirror was emptied meanwhile.");
    return respond(
      c,
      JSON.stringify(view.privateMetadata ? asked.object : hidePrivateMetadata(asked.object)),
    );
  }

  async function listMemberships(c: Context<HttpEnv>, id: string): Promise<Response> {
    const page = parsePage(c.req.queries());
    if (mustAskClerk(c) || !completeness.isBackfilled()) return answerByClerk(c);
    const view = viewOf(c);
    const answer = await memberships.list(id, page, view);
    if (answer !== null) return respond(c, answer);
    const known = await users.get(id, view);
    if (known.kind === "gone") throw noUser(id);
    return answerByClerk(c);
  }

  return new Hono<HttpEnv>().get("*", async (c, next) => {
    const { local, userId } = c.get("route");
    if (local === null) return next();
    c.get("headers")["x-mirror-source"] = "local";
    const asOfMs = completeness.asOfMs();
    if (asOfMs !== null) c.get("headers")["x-mirror-as-of"] = String(asOfMs);
    switch (local) {
      case "list":
        return list(c);
      case "count":
        return count(c);
      case "get":
        return get(c, userId ?? "");
      case "memberships":
        return listMemberships(c, userId ?? "");
    }
  });
}

/** With an ETag, unless the answer changes by itself: a running lockout counts down. */
function respondTagged(c: Context<HttpEnv>, user: UserLookup & { kind: "live" }): Response {
  if (hasEnd(user.lockedUntilMs)) return respond(c, user.json);
  const etag = etagOf(user.json);
  const headers = { etag, vary: "Authorization" };
  if (isNamedBy(c.req.header("If-None-Match"), etag)) return respond(c, null, 304, headers);
  return respond(c, user.json, 200, { ...JSON_TYPE, ...headers });
}

const viewOf = (c: Context<HttpEnv>): View => ({
  privateMetadata: c.get("principal").scopes.has("private_metadata:read"),
});

const noUser = (id: string) =>
  new AppError("not_found", "not found", { longMessage: `No user was found with id ${id}` });
