import type { IncomingMessage, ServerResponse } from "node:http";
import type { Context } from "hono";
import type { Principal } from "../auth/keys.js";
import type { Route } from "../upstream/paths.js";

/** What a request carries through the app. */
export interface HttpEnv {
  Bindings: {
    /** Node's own request and response. Absent if the app is called without a server. */
    incoming?: IncomingMessage;
    outgoing?: ServerResponse;
    /** A question of the mirror's own, within a request that is observed already. */
    isInProcess?: true;
    /** Of such a question: aborts when nobody waits for its answer any more. */
    leaving?: AbortSignal;
  };
  Variables: {
    requestId: string;
    /** Headers that every answer to this request carries beside its own. Names are in lower case. */
    headers: Record<string, string>;
    /** Set by `authenticated`, behind which all but the open routes stand. */
    principal: Principal;
    /** Rejects once the key isn't valid any more. Set by `authenticated`, and by the dashboard's sign-in. */
    verifyAgain?: () => Principal | Promise<Principal>;
    /** What the request is to Clerk. Set by `classified`. */
    route: Route;
    /** `performance.now()` when the request arrived. */
    startedAtMs: number;
    /** Where the answer was read from, if that is worth telling. */
    readFrom?: ReadFrom;
    /** What was changed, where the path doesn't say it. */
    changedIds?: readonly string[];
    /** How a streamed answer ended. Never rejects. Set by `respondStream`. */
    streamEnd?: Promise<StreamEnd>;
  };
}

/** How a streamed answer ended. `left`: the client went away, or was cut off. */
export type StreamEnd = { kind: "whole" } | { kind: "left" } | { kind: "failed"; error: unknown };

export type ReadFrom = "memory" | "postgres" | "clerk";

/** Exactly this spelling: Clerk's SDK reads any other, even one with a charset, as text instead of JSON. */
export const JSON_TYPE = { "content-type": "application/json" } as const;

/** The headers of an answer with an `ETag`. A client may keep it, and asks each time whether it still holds. */
export const taggedHeaders = (etag: string) => ({
  etag,
  vary: "Authorization",
  "cache-control": "private, no-cache",
});

/** Says in an answer's headers that it is the mirror's own, and up to when the mirror was proved complete; null: not yet. */
export function markLocal(headers: Record<string, string>, asOfMs: number | null): void {
  headers["x-mirror-source"] = "local";
  if (asOfMs !== null) headers["x-mirror-as-of"] = String(asOfMs);
}

/** Of an answer that is read from Postgres. */
export function markFromPostgres(c: Context<HttpEnv>, asOfMs: number | null): void {
  markLocal(c.get("headers"), asOfMs);
  c.set("readFrom", "postgres");
}

/**
 * Makes every answer. Headers stay a plain record until they are sent: building a `Headers` costs a fifth of a whole
 * read by id, and the server would only take it apart again. Their names are in lower case, so that none is there
 * twice.
 */
export function respond(
  c: Context<HttpEnv>,
  body: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array<ArrayBuffer>> | null,
  status = 200,
  headers: Record<string, string> = JSON_TYPE,
): Response {
  // Writes into the request's own record: a new record spread from both costs as much as everything else here.
  const all = c.get("headers");
  for (const name in headers) all[name] = headers[name] as string;
  const readFrom = c.get("readFrom");
  if (readFrom !== undefined) all["server-timing"] = serverTiming(readFrom, c.get("startedAtMs"));
  return new Response(body, { status, headers: all });
}

/** Says what answered, and how many milliseconds after the request had arrived. */
export function serverTiming(readFrom: ReadFrom, startedAtMs: number): string {
  return `${readFrom};dur=${Math.round((performance.now() - startedAtMs) * 100) / 100}`;
}

/** The value as JSON. */
export function respondJson(c: Context<HttpEnv>, value: unknown, status = 200): Response {
  return respond(c, JSON.stringify(value), status);
}
