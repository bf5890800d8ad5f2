import { AppError } from "../lib/errors.js";
import { overloaded } from "../lib/shares.js";
import type { Upstream } from "./client.js";
import { isClerkError, synthesisedError } from "./errors.js";
import { templateOf } from "./paths.js";

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
  /** The key on whose behalf something is read; absent: a write, or what takes the rights of the secret key. */
  reader?: string;
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
 * unchanged. Rejects when there is no answer: `upstream_timeout`, `upstream_unavailable`; when it wasn't sent:
 * `rate_limited`, `overloaded`; and with `bad_request` when its body didn't arrive whole, so that Clerk didn't take it.
 */
export type Forwarder = (request: ForwardRequest) => Promise<ForwardAnswer>;

/** How many requests may be under way to Clerk at a time. */
export interface Places {
  all: number;
  /** Reads among them: writes keep room. */
  reads: number;
  /** Those of one endpoint, so that one at which Clerk hangs leaves room for the others. */
  endpoint: number;
}

/** What a production instance allows (100 a second), each taking four seconds. */
const PLACES: Places = { all: 400, reads: 250, endpoint: 150 };

export function createForwarder(upstream: Pick<Upstream, "send">, places: Places = PLACES): Forwarder {
  const underWay = createPlaces(places);

  async function send({
    method,
    path,
    search,
    headers,
    body,
    signal,
    reader,
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
    return { ...answer, headers: received, body: synthesisedError(answer.status) };
  }

  return (request) => underWay(request, () => send(request));
}

/** Nobody waits for a place: rejects with `overloaded`. */
function createPlaces(places: Places) {
  const taken = new Map<string, number>();
  const count = (group: string, by: 1 | -1) => {
    const now = (taken.get(group) ?? 0) + by;
    if (now > 0) taken.set(group, now);
    else taken.delete(group);
  };
  return async <T>({ method, path }: ForwardRequest, work: () => Promise<T>): Promise<T> => {
    const groups = new Map([["all", places.all]]).set(`${method} ${templateOf(path)}`, places.endpoint);
    if (method === "GET") groups.set("reads", places.reads);
    for (const [group, most] of groups) if ((taken.get(group) ?? 0) >= most) throw overloaded();
    for (const group of groups.keys()) count(group, 1);
    try {
      return await work();
    } finally {
      for (const group of groups.keys()) count(group, -1);
    }
  };
}

/**
 * The same body, read only as Clerk takes it; `isToBlame`: it broke off, or the time ran out while more of it was waited
 * for. What Clerk leaves of it is left unread: to cancel it would end the connection that the answer goes out on.
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
    // They name another place for what was asked for; see `staysHere`.
    "content-location",
    "refresh",
    "etag",
    "last-modified",
    "alt-svc",
    // How long an answer may be kept is the mirror's own to say.
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
 * Whoever follows a redirection sends the key along, and that is the mirror's: it may lead to another path here, which
 * needs its scope like any other, and nowhere else. Two slashes, or what a client takes for them, begin a host.
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
