import type { Context } from "hono";
import type { CommitPositions } from "../db/connection/commit-position.js";
import { AppError } from "../lib/errors.js";
import { parseInParts, printInParts } from "../lib/json.js";
import { hidePrivateMetadata } from "../lib/private-metadata.js";
import { gone } from "../lib/shares.js";
import type { WriteThrough } from "../sync/answers/write-through.js";
import type { Forwarder } from "../upstream/forward.js";
import { askerOf } from "./asker.js";
import { idsInAnswer } from "./audit.js";
import { createBytesInFlight } from "./raw-body.js";
import { requestTarget } from "./request-target.js";
import { type HttpEnv, JSON_TYPE, respond } from "./respond.js";

/** Forwards the request to Clerk, applies what the answer says to the mirror, and only then sends the answer. */
export type AnswerByClerk = (c: Context<HttpEnv>) => Promise<Response>;

export interface AnswerByClerkDeps {
  forward: Forwarder;
  writeThrough: WriteThrough;
  positions: Pick<CommitPositions, "current">;
}

/**
 * How many bytes of request bodies may be on their way to Clerk at a time; more are refused. If Clerk doesn't read, a
 * body lies here in full, or as far as the kernel doesn't take it: it took 4 of 10 MiB, and 200 such bodies took 800
 * MiB.
 */
const MOST_BODY_BYTES = 128 * 1024 * 1024;
const MOST_OF_ONE = 16 * 1024 * 1024;
const OF_UNKNOWN_LENGTH = 4 * 1024 * 1024;

export function createAnswerByClerk(deps: AnswerByClerkDeps): AnswerByClerk {
  const bodies = createBytesInFlight(MOST_BODY_BYTES);
  const answer = answerWith(deps);
  return async (c) => {
    const held = bodies.open();
    try {
      held.add(bytesOfBody(c.req.raw.headers));
      return await answer(c);
    } finally {
      held.release();
    }
  };
}

function bytesOfBody(headers: Headers): number {
  if (headers.has("transfer-encoding")) return OF_UNKNOWN_LENGTH;
  return Math.min(MOST_OF_ONE, Number(headers.get("content-length") ?? 0) || 0);
}

function answerWith({ forward, writeThrough, positions }: AnswerByClerkDeps): AnswerByClerk {
  return async (c) => {
    const request = c.req.raw;
    const route = c.get("route");
    // The answer to a HEAD holds nothing to apply; the server leaves the body out.
    const method = request.method === "HEAD" ? "GET" : request.method;
    const by = method === "GET" ? "read" : "write";
    // A write is completed and applied even if its caller has left. A read that nobody waits for is ended.
    const { key, signal } = by === "read" ? askerOf(c) : { signal: undefined };
    const answer = await forward({
      method,
      path: route.path,
      search: requestTarget(c).search,
      headers: request.headers,
      requestId: c.get("requestId"),
      body: hasBody(request.headers) ? request.body : null,
      ...(signal && { signal }),
      ...(key !== undefined && route.scope === "users:read" && { reader: key }),
    }).catch(async (error) => {
      if (signal?.aborted) throw gone();
      if (by === "write" && !wasNotDone(error)) await writeThrough.applyUnanswered(route.effect);
      throw error;
    });
    c.set("readFrom", "clerk");
    if (by === "write" && route.id === null && answer.status < 300)
      c.set("changedIds", idsInAnswer(answer.body));
    const isApplied = await writeThrough.applyAnswer(route.effect, answer, by);
    // The write is committed. If its version can't be read, the answer is sent without the header rather than not at
    // all.
    const version = by === "write" && isApplied ? await positions.current().catch(() => null) : null;

    // A `proxy` key sees these answers as Clerk gives them.
    const mayReadPrivate = c.get("principal").scopes.has("private_metadata:read");
    const body =
      mayReadPrivate || route.scope === "proxy" ? answer.body : await withoutPrivateMetadata(answer.body);
    const headers = {
      ...Object.fromEntries(answer.headers),
      "x-mirror-source": "upstream",
      ...(version !== null && { "x-mirror-version": version }),
    };
    if (body.length === 0) return respond(c, null, answer.status, headers);
    return respond(c, new Uint8Array(body), answer.status, { ...JSON_TYPE, ...headers });
  };
}

// A server's request always has a body stream. Forwarding one that was never sent would give Clerk an empty chunked
// body.
const hasBody = (headers: Headers) =>
  headers.has("transfer-encoding") || Number(headers.get("content-length") ?? 0) > 0;

/** Whether the request never reached Clerk, or not whole. */
const wasNotDone = (error: unknown) =>
  error instanceof AppError && /^(rate_limited|overloaded|bad_request)$/.test(error.code);

async function withoutPrivateMetadata(body: Buffer): Promise<Buffer> {
  if (body.length === 0) return body;
  try {
    return await printInParts(await parseInParts(body), hidePrivateMetadata);
  } catch (cause) {
    throw new AppError("upstream_unavailable", "Clerk's answer is not JSON.", { cause });
  }
}
