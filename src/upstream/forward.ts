import { AppError } from "../lib/errors.js";
import { countByGroups } from "../lib/places.js";
import { overloaded } from "../lib/shares.js";
import type { Upstream } from "./client.js";
import { isClerkError, synthesisedError } from "./errors.js";
import { templateOf } from "./paths.js";

/** A caller's request, to be forwarded. */
export interface ForwardRequest {
  method: string;
  /** Normalised: see `paths.ts`. */
  path: string;
  /** With its `?`, or empty. */
  search: string;
  headers: Headers;
  body: ReadableStream<Uint8Array> | null;
  signal?: AbortSignal;
  /** What the request is called in the log. */
  requestId?: string;
  /**
   * The key on whose behalf something is read. Absent for a write, and for requests that need the secret key's
   * rights.
   */
  reader?: string;
}

/** Clerk's answer, with only the headers that concern the caller. */
export interface ForwardAnswer {
  status: number;
  headers: Headers;
  body: Buffer;
  startedAtMs: number;
}

/**
 * Forwards a request to Clerk with the mirror's key, exactly once; method, path, query, body and content type stay
 * unchanged. Rejects if there is no answer (`upstream_timeout`, `upstream_unavailable`), if the request wasn't sent
 * (`rate_limited`, `overloaded`), and with `bad_request` if its body didn't arrive whole, so that Clerk didn't accept
 * it.
 */
export type Forwarder = (request: ForwardRequest) => Promise<ForwardAnswer>;

/** How many requests to Clerk may be under way at a time. */
export interface Places {
  all: number;
  /** How many of them may be reads: the rest is kept for writes. */
  reads: number;
  /** How many of them may go to one endpoint, so that one at which Clerk hangs leaves room for the others. */
  endpoint: number;
}

/** A production instance allows 100 requests a second: as many as these, if each takes four seconds. */
const PLACES: Places = { all: 400, reads: 250, endpoint: 150 };

export function createForwarder(upstream: Pick<Upstream, "send">, places: Places = PLACES): Forwarder {
  const enter = countByGroups();

  async function send({
    method,
    path,
    search,
    headers,
    body,
    signal,
    reader,
    requestId,
  }: ForwardRequest): Promise<ForwardAnswer> {
    const arriving = body && watched(body);
    const sent = { method, path, search, headers: requestHeaders(headers), body: arriving?.body ?? null };
    const answer = await upstream
      .send(sent, {
        ...(reader === undefined ? { priority: "caller" } : { priority: "read", key: reader }),
        ...(signal && { signal }),
      })
      .catch((error) => {
        if (!arriving?.isToBlame(error)) throw error;
        throw new AppError("bad_request", "The request's body did not arrive whole.", { cause: error });
      });
    const received = responseHeaders(answer.headers);
    if (answer.status < 400 || isClerkError(answer.body)) return { ...answer, headers: received };
    received.set("content-type", "application/json");
    return { ...answer, headers: received, body: synthesisedError(answer.status, requestId) };
  }

  return async (request) => {
    const leave = enter(groupsOf(request, places), overloaded);
    return send(request).finally(leave);
  };
}

/** The groups in which a request has its place. */
function groupsOf({ method, path }: ForwardRequest, { all, reads, endpoint }: Places): Map<string, number> {
  const groups = new Map([["all", all]]).set(`${method} ${templateOf(path)}`, endpoint);
  return method === "GET" ? groups.set("reads", reads) : groups;
}

/**
 * The same body, read only as fast as Clerk takes it. `isToBlame` says whether the body broke off, or the time ran
 * out while more of it was awaited. What Clerk leaves unread stays unread: cancelling it would end the connection on
 * which the answer is sent.
 */
function watched(source: ReadableStream<Uint8Array>) {
  const reader = source.getReader();
  let waits = false;
  let brokeOff = false;
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        waits = true;
        try {
          const { done, value } = await reader.read();
          waits = false;
          if (done) controller.close();
          else controller.enqueue(value);
        } catch (error) {
          brokeOff = true;
          controller.error(error);
        }
      },
    },
    { highWaterMark: 0 },
  );
  const isToBlame = (error: unknown) =>
    brokeOff || (waits && error instanceof AppError && error.code === "upstream_timeout");
  return { body, isToBlame };
}

/**
 * The headers that Clerk's SDKs send and its API reads. No other header is forwarded. A list of forbidden headers
 * (`X-HTTP-Method-Override`, `X-Original-URL`, …) is never complete: one that is missing would let a key do at Clerk,
 * or in a proxy before it, what its scopes forbid. No version is added: Clerk decides what a request without one
 * means.
 */
const SENT = new Set([
  ...["accept", "accept-language", "user-agent", "clerk-api-version", "idempotency-key"],
  ...["content-type", "content-encoding", "content-language"],
]);

function requestHeaders(headers: Headers): Headers {
  const named = namedByConnection(headers);
  return filtered(headers, (name) => !SENT.has(name) || named.has(name));
}

/**
 * The body is decoded here, and its length counted again, on its way to the caller. Cookies and policies are meant
 * for Clerk's own site.
 */
const NOT_RETURNED = new Set([
  ...["connection", "keep-alive", "proxy-authenticate", "te", "trailer", "transfer-encoding", "upgrade"],
  ...[
    "content-length",
    "content-encoding",
    "date",
    "server",
    "set-cookie",
    // These name another place for the resource: see `staysHere`.
    "content-location",
    "refresh",
    "etag",
    "last-modified",
    "alt-svc",
    // The mirror itself says how long an answer may be kept.
    "cache-control",
    "expires",
    "pragma",
    "age",
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
  const location = returned.get("location");
  if (location !== null && !staysHere(location)) returned.delete("location");
  // The official SDK reads `application/json; charset=utf-8` as text.
  const type = returned.get("content-type");
  if (type && /^application\/json\s*;/i.test(type)) returned.set("content-type", "application/json");
  return returned;
}

/**
 * Whether a redirection stays on the mirror. A client that follows one sends the mirror's key along. Another path
 * here is allowed, since it needs its scope like any other; nothing else is. Two slashes, or what clients take for
 * them, begin a host.
 */
const staysHere = (location: string) => /^\/(?![/\\])[!-~]*$/.test(location);

const namedByConnection = (headers: Headers) =>
  new Set((headers.get("connection") ?? "").split(",").map((name) => name.trim().toLowerCase()));

function filtered(headers: Headers, isDropped: (name: string) => boolean): Headers {
  const kept = new Headers();
  headers.forEach((value, name) => {
    if (!isDropped(name)) kept.append(name, value);
  });
  return kept;
}
