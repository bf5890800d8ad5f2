import type { Upstream } from "./client.js";
import { isClerkError, synthesisedError } from "./errors.js";

/** A caller's request, to be sent on. */
export interface ForwardRequest {
  method: string;
  /** Normalised: see `paths.ts`. */
  path: string;
  /** With its `?`, or empty. */
  search: string;
  headers: Headers;
  body: ReadableStream<Uint8Array> | null;
  signal?: AbortSignal;
}

/** Clerk's answer, with only those headers that concern the caller. */
export interface ForwardAnswer {
  status: number;
  headers: Headers;
  body: Buffer;
  startedAtMs: number;
}

/**
 * Sends a request on to Clerk under the mirror's key, exactly once: method, path, query, body and content type
 * unchanged. Rejects when there is no answer: `upstream_timeout`, `upstream_unavailable`, `rate_limited`.
 */
export type Forwarder = (request: ForwardRequest) => Promise<ForwardAnswer>;

export function createForwarder(upstream: Pick<Upstream, "send">): Forwarder {
  return async ({ method, path, search, headers, body, signal }) => {
    const answer = await upstream.send(
      { method, path, search, headers: requestHeaders(headers), body },
      { priority: "caller", ...(signal && { signal }) },
    );
    const received = responseHeaders(answer.headers);
    if (answer.status < 400 || isClerkError(answer.body)) return { ...answer, headers: received };
    received.set("content-type", "application/json");
    return { ...answer, headers: received, body: synthesisedError(answer.status) };
  };
}

/**
 * What Clerk's SDKs send and its API reads; nothing else goes up. A list of what mustn't (`X-HTTP-Method-Override`,
 * `X-Original-URL`, …) is never complete, and one header missing in it would let a key do on Clerk's side, or in a proxy
 * before it, what its scopes forbid here. No version is added: what a request means without one is Clerk's to say.
 */
const SENT = new Set([
  ...["accept", "accept-language", "user-agent", "clerk-api-version", "idempotency-key"],
  ...["content-type", "content-encoding", "content-language"],
]);

function requestHeaders(headers: Headers): Headers {
  const named = namedByConnection(headers);
  return filtered(headers, (name) => !SENT.has(name) || named.has(name));
}

/** The body is decoded and counted anew on its way to the caller; cookies and policies are for Clerk's own site. */
const NOT_RETURNED = new Set([
  ...["connection", "keep-alive", "proxy-authenticate", "te", "trailer", "transfer-encoding", "upgrade"],
  ...[
    "content-length",
    "content-encoding",
    "date",
    "server",
    "set-cookie",
    "etag",
    "last-modified",
    "alt-svc",
  ],
  ...["strict-transport-security", "content-security-policy", "report-to", "nel", "vary", "x-request-id"],
]);
const NOT_RETURNED_PREFIXES = ["x-mirror-", "access-control-"];

function responseHeaders(headers: Headers): Headers {
  const named = namedByConnection(headers);
  const returned = filtered(headers, (name) => {
    return (
      NOT_RETURNED.has(name) ||
      named.has(name) ||
      NOT_RETURNED_PREFIXES.some((prefix) => name.startsWith(prefix))
    );
  });
  // The official SDK reads `application/json; charset=utf-8` as text.
  const type = returned.get("content-type");
  if (type && /^application\/json\s*;/i.test(type)) returned.set("content-type", "application/json");
  return returned;
}

const namedByConnection = (headers: Headers) =>
  new Set((headers.get("connection") ?? "").split(",").map((name) => name.trim().toLowerCase()));

function filtered(headers: Headers, isDropped: (name: string) => boolean): Headers {
  const kept = new Headers();
  headers.forEach((value, name) => {
    if (!isDropped(name)) kept.append(name, value);
  });
  return kept;
}
