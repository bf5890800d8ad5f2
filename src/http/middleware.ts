import { randomUUID } from "node:crypto";
import type { MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { Authenticate, Principal } from "../auth/keys.js";
import { demandScope, type Scope } from "../auth/scopes.js";
import type { Availability } from "../db/connection/availability.js";
import { AppError } from "../lib/errors.js";
import { HOP_HEADER } from "../upstream/client.js";
import { classify, normalisePath } from "../upstream/paths.js";
import { admit } from "./admission.js";
import { notAPathOfClerks } from "./errors.js";
import { requestTarget } from "./request-target.js";
import type { HttpEnv } from "./respond.js";

// A middleware that has nothing to wait for isn't async: every `await` makes a read by id one percent slower.

/** The caller's own request id is kept if it can do no harm in a log or a header. */
const INBOUND_ID = /^[\w.:-]{1,64}$/;

/** What a request is called: in the answer's `X-Request-Id` and as the `clerk_trace_id` of our own errors. */
export const requestIdFor = (inbound: string | undefined): string =>
  inbound !== undefined && INBOUND_ID.test(inbound) ? inbound : randomUUID();

/** What every answer carries. An answer with an `ETag` may be kept, and says so with its own `cache-control`. */
export const headersOf = (id: string): Record<string, string> => ({
  "cache-control": "private, no-store",
  "x-request-id": id,
  "x-content-type-options": "nosniff",
});

export const requestId: MiddlewareHandler<HttpEnv> = (c, next) => {
  const id = requestIdFor(c.req.header("X-Request-Id"));
  c.set("startedAtMs", performance.now());
  c.set("requestId", id);
  c.set("headers", headersOf(id));
  return next();
};

/**
 * A mirror's request to Clerk that arrives at a mirror is going round in a circle, or would be answered with a copy where
 * the original was asked for. Nothing of it is forwarded, nor answered from here: what a mirror doesn't know isn't gone.
 */
export const refuseLoops: MiddlewareHandler<HttpEnv> = (c, next) => {
  if (c.req.header(HOP_HEADER) === undefined) return next();
  throw new AppError("loop_detected", "A mirror's request to Clerk has arrived at a mirror.", {
    longMessage:
      "The mirror that sent it has another mirror, or itself, for CLERK_API_URL. That must lead to Clerk.",
  });
};

/** Demands a key, and holds it to its limits; everything mounted behind it knows its `principal`. */
export function authenticated(authenticate: Authenticate): MiddlewareHandler<HttpEnv> {
  return (c, next) => {
    const enter = (principal: Principal) => {
      c.set("principal", principal);
      const outgoing = c.env?.outgoing;
      if (outgoing) admit(principal, outgoing);
      return next();
    };
    const verify = () => authenticate(c.req.header("Authorization") ?? null);
    c.set("verifyAgain", verify);
    const principal = verify();
    return principal instanceof Promise ? principal.then(enter) : enter(principal);
  };
}

/** Stands beside the route that it guards, behind `authenticated`. */
export function requireScope(scope: Scope): MiddlewareHandler<HttpEnv> {
  return (c, next) => {
    demandScope(c.get("principal").scopes, scope);
    return next();
  };
}

const METHODS = new Set(["GET", "POST", "PUT", "PATCH", "DELETE"]);

/**
 * Decides what the request is to Clerk, on the very path that Clerk would see, and demands the scope that takes. What
 * isn't a path of Clerk's ends here as a 404 that says how the client's base URL should be.
 */
export const classified: MiddlewareHandler<HttpEnv> = (c, next) => {
  const { path } = requestTarget(c);
  const method = c.req.method === "HEAD" ? "GET" : c.req.method;
  if (!METHODS.has(method)) throw new AppError("method_not_allowed", `Clerk knows no method ${method}.`);
  const route = classify(method, normalisePath(path));
  if (!route) throw notAPathOfClerks(path, new URL(c.req.url).origin);
  c.set("route", route);
  demandScope(c.get("principal").scopes, route.scope);
  return next();
};

/** Whether the mirror has seen all users, and how far it is with that. */
export interface Backfill {
  isBackfilled(): boolean;
  /** As JSON values; null: it hasn't begun. */
  progress(): Promise<object | null>;
}

/** Before what only a whole mirror can answer, and Clerk can't. */
export function onceBackfilled({ isBackfilled, progress }: Backfill): MiddlewareHandler<HttpEnv> {
  return async (_c, next) => {
    if (isBackfilled()) return next();
    throw new AppError("not_ready", "The mirror is still copying Clerk's users.", {
      longMessage: "This is answered once the first backfill has finished.",
      meta: { progress: await progress() },
      retryAfterSeconds: BACKFILL_RETRY_SECONDS,
    });
  };
}

const BACKFILL_RETRY_SECONDS = 5;

/** A body of more is refused before it is held: with 413, or with what `refusal` makes. */
export function limitBody(
  bytes: number,
  refusal: () => AppError = () =>
    new AppError("too_large", `The body of this request may have ${bytes / 1024} KiB at most.`),
): MiddlewareHandler<HttpEnv> {
  const limited = bodyLimit({
    maxSize: bytes,
    onError: (c) => {
      // The rest of a body that was begun to be read isn't taken from the connection, which is closed then.
      c.get("headers").connection = "close";
      throw refusal();
    },
  });
  return (c, next) => {
    // Before anything of it is read: the whole body passes by then, and the connection serves on.
    if (Number(c.req.header("Content-Length") ?? 0) > bytes) throw refusal();
    return limited(c, next);
  };
}

/** Before what only the database can answer: fails at once while it is away, and as soon as it is found to be. */
export function whileDatabaseAnswers(availability: Pick<Availability, "guard">): MiddlewareHandler<HttpEnv> {
  return async (_c, next) => availability.guard(next);
}
