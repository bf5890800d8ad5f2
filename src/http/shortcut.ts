import type { IncomingMessage, ServerResponse } from "node:http";
import type { Authenticate, Principal } from "../auth/keys.js";
import type { LiveUser, UserQueries } from "../query/users.js";
import type { Unapplied } from "../sync/answers/unapplied.js";
import type { Completeness } from "../sync/ledger/proof.js";
import { routeAnsweredBy } from "../upstream/clerk-routes.js";
import { HOP_HEADER } from "../upstream/client.js";
import { admit } from "./admission.js";
import { headersOf, requestIdFor } from "./middleware.js";
import type { RequestObserver } from "./request-observer.js";
import { JSON_TYPE, markLocal, type ReadFrom, serverTiming, taggedHeaders } from "./respond.js";

/** Answers a request, or leaves it untouched to what comes behind. */
export type Shortcut = (incoming: IncomingMessage, outgoing: ServerResponse, otherwise: () => void) => void;

/** What the first leaves is offered to the second. */
export const inTurn =
  (first: Shortcut, second: Shortcut): Shortcut =>
  (incoming, outgoing, otherwise) =>
    first(incoming, outgoing, () => second(incoming, outgoing, otherwise));

export interface ShortcutDeps {
  observe: RequestObserver;
  authenticate: Authenticate;
  users: Pick<UserQueries, "getFromMemory" | "get">;
  completeness: Pick<Completeness, "asOfMs">;
  unapplied: Pick<Unapplied, "concerns">;
}

const ROUTE = routeAnsweredBy("get");

/** Nothing to decode, no query, and none of Clerk's words (`count`, `ban`) that stand where an id does. */
const ONE_USER = new RegExp(`^${ROUTE.template.replace("{id}", "(user_\\w+)")}$`);

/**
 * Answers the most frequent request, one live user by id, exactly as the app does, but without its router, its middleware
 * and its objects for request and response. Everything else is left to the app: other paths and methods, an unknown key, a
 * missing scope, users that are deleted or unknown, Postgres away, and headers that change what is read or how.
 */
export function createShortcut(deps: ShortcutDeps): Shortcut {
  const { observe, authenticate, users, completeness, unapplied } = deps;
  let held: (() => void)[] = [];

  /**
   * Answers made within one turn of the event loop are sent together at its end. Sent one by one, each wakes its client,
   * which costs as much as all the rest (0.46 of a bare route's throughput; 0.55 when sent together).
   */
  function atEndOfTurn(leave: () => void): void {
    if (held.length === 0) setImmediate(letLeave);
    held.push(leave);
  }

  function letLeave(): void {
    const leaving = held;
    held = [];
    for (const leave of leaving) leave();
  }

  return (incoming, outgoing, otherwise) => {
    const startedAtMs = performance.now();
    const id = incoming.method === "GET" ? ONE_USER.exec(incoming.url ?? "")?.[1] : undefined;
    if (id === undefined || !isPlain(incoming) || unapplied.concerns(id)) {
      otherwise();
      return;
    }
    const requestId = requestIdFor(oneOf(incoming.headers["x-request-id"]));

    let principal: Principal | Promise<Principal>;
    try {
      principal = authenticate(incoming.headers.authorization ?? null);
    } catch {
      otherwise();
      return;
    }
    if (principal instanceof Promise) principal.then((known) => answer(id, known), otherwise);
    else answer(id, principal);

    function answer(userId: string, known: Principal): void {
      const { name, scopes } = known;
      const view = { privateMetadata: scopes.has("private_metadata:read") };
      if (!scopes.has(ROUTE.scope)) {
        otherwise();
        return;
      }
      try {
        admit(known, outgoing);
      } catch {
        otherwise();
        return;
      }
      const ready = users.getFromMemory(userId, view);
      if (ready) send(name, ready, "memory");
      else {
        users
          .get(userId, view)
          .then((found) => (found.kind === "live" ? send(name, found, "postgres") : otherwise()), otherwise);
      }
    }

    function send(key: string, { body, etag }: LiveUser, readFrom: ReadFrom): void {
      const headers = headersOf(requestId);
      markLocal(headers, completeness.asOfMs());
      headers["content-type"] = JSON_TYPE["content-type"];
      headers["content-length"] = String(body.byteLength);
      if (etag !== null) Object.assign(headers, taggedHeaders(etag));
      headers["server-timing"] = serverTiming(readFrom, startedAtMs);
      atEndOfTurn(() => outgoing.writeHead(200, headers).end(body));
      const ms = performance.now() - startedAtMs;
      observe({
        method: "GET",
        template: ROUTE.template,
        route: ROUTE.template,
        status: 200,
        ms,
        requestId,
        key,
        readFrom,
        isCut: false,
      });
    }
  };
}

/** Whether no header asks for another state, another source, or an answer without a body. */
function isPlain({ headers }: IncomingMessage): boolean {
  return (
    headers["x-mirror-read"] === undefined &&
    headers["x-mirror-min-version"] === undefined &&
    headers["if-none-match"] === undefined &&
    headers[HOP_HEADER] === undefined
  );
}

/** A header that was sent twice counts as its first. */
export const oneOf = (header: string | string[] | undefined) => (Array.isArray(header) ? header[0] : header);
