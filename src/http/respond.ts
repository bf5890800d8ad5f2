import type { IncomingMessage, ServerResponse } from "node:http";
import type { Context } from "hono";
import type { Principal } from "../auth/keys.js";
import type { Route } from "../upstream/paths.js";

/** What a request carries through the app. */
export interface HttpEnv {
  /** Node's own request and response; absent where the app is called without a server. */
  Bindings: { incoming?: IncomingMessage; outgoing?: ServerResponse };
  Variables: {
    requestId: string;
    /** What every answer to this request carries beside its own headers; names in lower case. */
    headers: Record<string, string>;
    /** Set behind `authenticated`, which everything but the open routes is. */
    principal: Principal;
    /** What the request is to Clerk. Set behind `classified`. */
    route: Route;
    /** `performance.now()` when it arrived. */
    startedAtMs: number;
    /** What the answer was read from, where that is worth telling. */
    readFrom?: ReadFrom;
    /** Of an answer that is written chunk by chunk; never rejects. Set by `respondStream`. */
    streamEnd?: Promise<StreamEnd>;
  };
}

/** How an answer ended that was written chunk by chunk. `left`: the client went away, or was cut off. */
export type StreamEnd = { kind: "whole" } | { kind: "left" } | { kind: "failed"; error: unknown };

export type ReadFrom = "memory" | "postgres" | "clerk";

/** Exactly this: Clerk's SDK reads any other spelling, even with a charset, as text instead of JSON. */
export const JSON_TYPE = { "content-type": "application/json" } as const;

/** With an `ETag`: the asker may keep it, and asks each time whether it still holds. */
export const taggedHeaders = (etag: string) => ({
  etag,
  vary: "Authorization",
  "cache-control": "private, no-cache",
});

/**
 * Every answer is made here. Headers stay a plain record on their way out: building a `Headers` costs a fifth of what a
 * read by id takes altogether, and the server would only take it apart again. Their names are in lower case, so that none
 * is there twice.
 */
export function respond(
  c: Context<HttpEnv>,
  body: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array<ArrayBuffer>> | null,
  status = 200,
  headers: Record<string, string> = JSON_TYPE,
): Response {
  // Into the request's own record: a new one spread from both costs as much as everything else here.
  const all = c.get("headers");
  for (const name in headers) all[name] = headers[name] as string;
  const readFrom = c.get("readFrom");
  if (readFrom !== undefined) all["server-timing"] = serverTiming(readFrom, c.get("startedAtMs"));
  return new Response(body, { status, headers: all });
}

/** What answered, and the milliseconds since the request arrived. */
export function serverTiming(readFrom: ReadFrom, startedAtMs: number): string {
  return `${readFrom};dur=${Math.round((performance.now() - startedAtMs) * 100) / 100}`;
}

/** The value as JSON. */
export function respondJson(c: Context<HttpEnv>, value: unknown, status = 200): Response {
  return respond(c, JSON.stringify(value), status);
}
