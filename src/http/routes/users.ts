import { type Context, Hono } from "hono";
import type { Availability } from "../../db/connection/availability.js";
import type { CommitPositions } from "../../db/connection/commit-position.js";
import { AppError } from "../../lib/errors.js";
import { isNamedBy } from "../../lib/etag.js";
import { hidePrivateMetadata } from "../../lib/private-metadata.js";
import { parseListParams, parsePage, parseUserFilter } from "../../query/clerk-params.js";
import type { MembershipQueries } from "../../query/memberships.js";
import type { LiveUser, UserQueries } from "../../query/users.js";
import type { ReadThrough } from "../../sync/answers/read-through.js";
import type { Unapplied } from "../../sync/answers/unapplied.js";
import type { Completeness } from "../../sync/ledger/proof.js";
import type { LocalRead } from "../../upstream/clerk-routes.js";
import { askerOf, viewOf } from "../asker.js";
import type { AnswerByClerk } from "../clerk-answer.js";
import { type HttpEnv, JSON_TYPE, markFromPostgres, respond, taggedHeaders } from "../respond.js";

export interface UsersDeps {
  users: UserQueries;
  memberships: MembershipQueries;
  readThrough: ReadThrough;
  completeness: Pick<Completeness, "isBackfilled" | "asOfMs" | "membershipsAsOfMs">;
  availability: Pick<Availability, "guard">;
  unapplied: Pick<Unapplied, "concerns">;
  positions: Pick<CommitPositions, "isReached">;
  answerByClerk: AnswerByClerk;
}

type Handler = (c: Context<HttpEnv>) => Response | Promise<Response>;

/**
 * The reads that the mirror answers itself, by their names in the table of Clerk's routes. They are passed on to
 * Clerk while the mirror can't vouch for its own answer. Stored text is sent as it is: parsing and printing a page of
 * 500 would block the loop for 6 ms.
 */
export function usersRoutes(deps: UsersDeps): Hono<HttpEnv> {
  const { users, memberships, readThrough, completeness, availability, unapplied, positions, answerByClerk } =
    deps;

  /**
   * Answers from the mirror, or from Clerk if the caller wants that, or if the mirror's answer may be old or can't be
   * read.
   */
  async function answer(
    c: Context<HttpEnv>,
    isKnownHere: boolean,
    local: () => Promise<Response>,
  ): Promise<Response> {
    if (mustAskClerk(c) || !isKnownHere) return answerByClerk(c);
    try {
      const minVersion = c.req.header("X-Mirror-Min-Version");
      if (minVersion !== undefined && !(await positions.isReached(minVersion))) return answerByClerk(c);
      return await local();
    } catch (error) {
      if (error instanceof AppError && error.code === "database_unavailable") return answerByClerk(c);
      throw error;
    }
  }

  function list(c: Context<HttpEnv>): Promise<Response> {
    const params = parseListParams(c.req.queries());
    return answer(c, completeness.isBackfilled(), () =>
      availability.guard(async () => respond(c, await users.list(params, viewOf(c), askerOf(c)))),
    );
  }

  function count(c: Context<HttpEnv>): Promise<Response> {
    const filter = parseUserFilter(c.req.queries());
    return answer(c, completeness.isBackfilled(), () =>
      availability.guard(async () =>
        respond(
          c,
          JSON.stringify({ object: "total_count", total_count: await users.count(filter, askerOf(c)) }),
        ),
      ),
    );
  }

  function get(c: Context<HttpEnv>): Response | Promise<Response> {
    const id = idOf(c);
    // A version that was reached says what Postgres holds. It says nothing about what was heard of that.
    const mayRemember = !mustAskClerk(c) && c.req.header("X-Mirror-Min-Version") === undefined;
    const ready = mayRemember && !unapplied.concerns(id) ? users.getFromMemory(id, viewOf(c)) : null;
    if (ready) {
      c.set("readFrom", "memory");
      return respondTagged(c, ready);
    }
    return answer(c, !unapplied.concerns(id), () => getLocally(c, id));
  }

  async function getLocally(c: Context<HttpEnv>, id: string): Promise<Response> {
    const view = viewOf(c);
    const known = await users.get(id, view);
    if (known.kind === "live") return respondTagged(c, known);
    if (known.kind === "gone") throw noUser(id);

    c.get("headers")["x-mirror-source"] = "upstream";
    c.set("readFrom", "clerk");
    const asked = await availability.guard(() => readThrough.user(id, askerOf(c)));
    if (asked.kind === "gone") throw noUser(id);
    // Something newer may have been stored meanwhile. And a user that can't be stored is still the answer.
    const stored = await users.get(id, view);
    if (stored.kind === "gone") throw noUser(id);
    if (stored.kind === "live") return respond(c, stored.body);
    if (asked.kind === "stored") throw new AppError("not_ready", "The mirror was emptied meanwhile.");
    return respond(
      c,
      JSON.stringify(view.privateMetadata ? asked.object : hidePrivateMetadata(asked.object)),
    );
  }

  function listMemberships(c: Context<HttpEnv>): Promise<Response> {
    const id = idOf(c);
    const page = parsePage(c.req.queries());
    return answer(c, completeness.isBackfilled() && !unapplied.concerns(id), async () => {
      const view = viewOf(c);
      const found = await availability.guard(() => memberships.list(id, page, view, askerOf(c)));
      if (found !== null) return respond(c, found);
      const known = await users.get(id, view);
      if (known.kind === "gone") throw noUser(id);
      return answerByClerk(c);
    });
  }

  const handlers: Record<LocalRead, Handler> = { list, count, get, memberships: listMemberships };

  return new Hono<HttpEnv>().get("*", (c, next) => {
    const { local } = c.get("route");
    if (local === null) return next();
    const asOfMs = local === "memberships" ? completeness.membershipsAsOfMs() : completeness.asOfMs();
    markFromPostgres(c, asOfMs);
    return handlers[local](c);
  });
}

/** The user that the path names. */
const idOf = (c: Context<HttpEnv>) => c.get("route").id ?? "";

const mustAskClerk = (c: Context<HttpEnv>) => c.req.header("X-Mirror-Read")?.toLowerCase() === "upstream";

/** Adds an ETag, unless the answer changes by itself: a running lockout counts down. */
function respondTagged(c: Context<HttpEnv>, user: LiveUser): Response {
  const { etag } = user;
  if (etag === null) return respond(c, user.body);
  if (isNamedBy(c.req.header("If-None-Match"), etag)) return respond(c, null, 304, taggedHeaders(etag));
  return respond(c, user.body, 200, { ...JSON_TYPE, ...taggedHeaders(etag) });
}

const noUser = (id: string) =>
  new AppError("not_found", "not found", { longMessage: `No user was found with id ${id}` });
