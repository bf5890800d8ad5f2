import { backoffMs, sleep } from "../lib/async.js";
import { DAY_MS } from "../lib/days.js";
import { AppError } from "../lib/errors.js";
import type { Logger } from "../observability/logger.js";
import { createClerkClock } from "./clerk-clock.js";
import { clerkErrorOf, dateMs, failedToConnect, retryAfterMs, sentence, unanswered } from "./errors.js";
import { endpointOf, templateOf } from "./paths.js";
import { type BudgetPart, budgetPartOf, type Priority, type RequestQueue } from "./request-queue.js";

/** Who sends a request, and until when. */
export interface Call {
  priority: Priority;
  signal?: AbortSignal;
  /** The key on whose behalf something is read. */
  key?: string;
}

export interface UpstreamRequest {
  method: string;
  /** From the root of the API: `/v1/users`. */
  path: string;
  /** With its `?`, or empty. */
  search: string;
  headers: Headers;
  body: ReadableStream<Uint8Array> | null;
}

export interface UpstreamResponse {
  status: number;
  headers: Headers;
  body: Buffer;
  /** When the request for this answer was sent, by the clock given. */
  startedAtMs: number;
  /** When Clerk made the answer, by Clerk's clock, in whole seconds. Null if it doesn't say. */
  dateMs: number | null;
}

/** The only way to Clerk. */
export interface Upstream {
  /**
   * Sends a request once and unchanged, but for the key. The caller has waited in the request queue before. A
   * connection that failed before a byte was written is tried once more. Rejects with an AppError if there is no
   * answer.
   */
  send(request: UpstreamRequest, call: Call): Promise<UpstreamResponse>;
  /**
   * Reads something for the mirror itself, and repeats while that can help: after 429 (waiting for `Retry-After`),
   * 5xx, cut connections and timeouts. Returns every answer with a status below 500, except 401, 403 and 429. Those,
   * and a failure that lasts, reject.
   */
  get(path: string, query: Iterable<[string, string]>, call: Call): Promise<UpstreamResponse>;
  /** Add it to our time to get Clerk's time, or an earlier one, as the answers to the mirror's own reads show it. */
  clockOffsetMs(): number;
  /** How many requests were sent so far. */
  readonly requests: number;
}

/** Sent with every request to Clerk. If a request arrives here with it, the upstream of some mirror is a mirror. */
export const HOP_HEADER = "x-mirror-hop";

export interface UpstreamDeps {
  apiUrl: string;
  secretKey: string;
  /** For the mirror's own reads. */
  apiVersion: string;
  timeoutMs: number;
  queue: Pick<RequestQueue, "take" | "pause">;
  now: () => number;
  log: Logger;
  observe?: UpstreamObserver;
}

/** Told of each request to Clerk that was answered, or wasn't, and of each that the budget had no room for. Must not throw. */
export interface UpstreamObserver {
  /** `endpoint`: one of a bounded set. `status` null: there was no answer. */
  onSent(sent: {
    method: string;
    endpoint: string;
    budget: BudgetPart;
    status: number | null;
    ms: number;
  }): void;
  onRefused(budget: BudgetPart): void;
}

/**
 * How long each kind of read keeps trying: a walk through an outage of a minute or two, a caller only through a
 * hiccup.
 */
const ATTEMPTS: Record<Priority, number> = { caller: 2, read: 2, refetch: 3, repair: 8, walk: 10 };
const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 30_000;
/** The pause after a 429 that names none. */
const FIRST_PAUSE_MS = 1000;
/**
 * The longest `Retry-After` that each kind of read waits for. A caller is told instead. A refetch becomes due again
 * by itself. A walk has nobody to restart it where it stands, so it asks again after a minute.
 */
const PATIENCE_MS: Record<Priority, number> = {
  caller: 0,
  read: 0,
  refetch: 5000,
  repair: Number.POSITIVE_INFINITY,
  walk: Number.POSITIVE_INFINITY,
};
const LONGEST_ASKED_MS = 60_000;

const QUOTA_PATIENCE_MS = 5000;
const isPatient = (priority: Priority) => PATIENCE_MS[priority] > 0;

export function createUpstream(options: UpstreamDeps): Upstream {
  const { apiUrl, secretKey, apiVersion, timeoutMs, queue, now, log, observe } = options;
  const clerkClock = createClerkClock();
  let requests = 0;

  async function once(request: UpstreamRequest, call: Call): Promise<UpstreamResponse> {
    await takeInTime(call);
    requests++;
    const begunAtMs = performance.now();
    let status: number | null = null;
    try {
      const answer = await exchange(request, call);
      status = answer.status;
      return answer;
    } finally {
      observe?.onSent({
        ...{ method: request.method, endpoint: endpointOf(request.method, request.path) ?? "other", status },
        ...{ budget: budgetPartOf(call.priority), ms: performance.now() - begunAtMs },
      });
    }
  }

  async function exchange(request: UpstreamRequest, call: Call): Promise<UpstreamResponse> {
    const headers = new Headers(request.headers);
    headers.set("Authorization", `Bearer ${secretKey}`);
    headers.set(HOP_HEADER, "1");
    const timeout = AbortSignal.timeout(timeoutMs);
    const startedAtMs = now();
    const response = await fetch(`${apiUrl}${request.path}${request.search}`, {
      method: request.method,
      headers,
      body: request.body,
      ...(request.body && { duplex: "half" }),
      redirect: "manual",
      signal: call.signal ? AbortSignal.any([timeout, call.signal]) : timeout,
    } as RequestInit);
    const body = await bodyOf(response);
    const { status, headers: received } = response;
    return { status, headers: received, body, startedAtMs, dateMs: dateMs(received) };
  }

  /** A caller who waits for an answer is soon told that the quota is spent. Walks wait. */
  async function takeInTime({ priority, signal, key }: Call): Promise<void> {
    if (isPatient(priority)) return queue.take(priority, signal);
    const patience = AbortSignal.timeout(QUOTA_PATIENCE_MS);
    try {
      await queue.take(priority, signal ? AbortSignal.any([patience, signal]) : patience, key);
    } catch (cause) {
      signal?.throwIfAborted();
      observe?.onRefused(budgetPartOf(priority));
      throw new AppError("rate_limited", "The mirror's budget of requests to Clerk is used up.", {
        longMessage:
          "All requests that UPSTREAM_RATE_LIMIT allows in 10 seconds are spent, or those that reads may have of them.",
        retryAfterSeconds: 5,
        cause,
      });
    }
  }

  async function send(request: UpstreamRequest, call: Call): Promise<UpstreamResponse> {
    try {
      return await once(request, call).catch((error) => {
        // A streamed body can't be read a second time. It was not read at all yet, but that is certain only without a
        // body.
        if (!failedToConnect(error) || request.body) throw error;
        return once(request, call);
      });
    } catch (error) {
      call.signal?.throwIfAborted();
      throw unanswered(error, `${request.method} ${request.path}`);
    }
  }

  async function get(path: string, query: Iterable<[string, string]>, call: Call): Promise<UpstreamResponse> {
    const search = new URLSearchParams([...query]).toString();
    const request: UpstreamRequest = {
      method: "GET",
      path,
      search: search && `?${search}`,
      headers: new Headers({ Accept: "application/json", "Clerk-API-Version": apiVersion }),
      body: null,
    };
    for (let attempt = 0; ; attempt++) {
      const outcome = await once(request, call).catch((error: unknown) => {
        call.signal?.throwIfAborted();
        return unanswered(error, `GET ${path}`);
      });
      if (!(outcome instanceof AppError)) clerkClock.note({ ...outcome, answeredAtMs: now() });
      if (!(outcome instanceof AppError) && outcome.status < 500 && outcome.status !== 429) {
        return refuseRejection(outcome);
      }
      if (!(outcome instanceof AppError)) refuseLoop(outcome);
      // Clerk's answer to one of our callers concerns that caller: a limit may be about one endpoint or one user, and
      // slows nobody else down.
      if (!(outcome instanceof AppError) && outcome.status === 429) {
        queue.pause(retryAfterMs(outcome.headers) ?? FIRST_PAUSE_MS);
      }
      const failure = outcome instanceof AppError ? outcome : failureOf(outcome);
      const wait = waitMs(outcome, attempt, call.priority);
      if (wait === null) throw failure;
      log.warn(
        { path: templateOf(path), attempt: attempt + 1, waitMs: Math.round(wait), reason: failure.message },
        "asking Clerk again",
      );
      await sleep(wait, call.signal);
    }
  }

  return {
    send,
    get,
    clockOffsetMs: clerkClock.offsetMs,
    get requests() {
      return requests;
    },
  };
}

/**
 * Larger than any answer Clerk has reason to send: a page of 500 users with as much metadata as they may have is a
 * quarter of it.
 */
const MOST_ANSWER_BYTES = 64 * 1024 * 1024;

async function bodyOf(response: Response): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > MOST_ANSWER_BYTES) {
      throw new AppError("upstream_unavailable", "Clerk's answer is too large.", {
        longMessage: `Clerk's answer has more than ${MOST_ANSWER_BYTES / 1024 ** 2} MiB.`,
      });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** How long to wait before the next attempt. Null if there is none. */
function waitMs(outcome: UpstreamResponse | AppError, attempt: number, priority: Priority): number | null {
  if (attempt + 1 >= ATTEMPTS[priority]) return null;
  const asked = outcome instanceof AppError ? null : retryAfterMs(outcome.headers);
  if (asked === null) return backoffMs(attempt, FIRST_WAIT_MS, LONGEST_WAIT_MS);
  if (asked > PATIENCE_MS[priority]) return null;
  return Math.min(asked, LONGEST_ASKED_MS) + backoffMs(0, FIRST_WAIT_MS, FIRST_WAIT_MS);
}

/** Beyond it a number of seconds says nothing to anybody. */

function failureOf({ status, headers, body }: UpstreamResponse): AppError {
  const retryMs = retryAfterMs(headers);
  const retryAfterSeconds = retryMs === null ? undefined : Math.ceil(Math.min(retryMs, DAY_MS) / 1000);
  const details = retryAfterSeconds === undefined ? {} : { retryAfterSeconds };
  if (status === 429) return new AppError("rate_limited", "Clerk's rate limit is reached.", details);
  const { code, message } = clerkErrorOf(body);
  // What is logged has Clerk's code at most: its words may quote an address or a name.
  const reason = code !== null && /^[a-z_]{1,80}$/.test(code) ? ` (${code})` : "";
  return new AppError("upstream_unavailable", `Clerk answered ${status}${reason}.`, {
    ...details,
    ...(message && { longMessage: `Clerk answered ${status}: ${message}` }),
  });
}

/** A key that Clerk refuses, or a redirection, won't get better by asking again: whoever configured it must know. */
function refuseRejection(response: UpstreamResponse): UpstreamResponse {
  if (response.status >= 300 && response.status < 400) {
    throw new AppError(
      "upstream_rejected",
      `CLERK_API_URL answers with a redirection (${response.status}): it must lead to Clerk without any.`,
    );
  }
  const { code, message } = clerkErrorOf(response.body);
  if (response.status !== 401 && !(response.status === 403 && code === "authorization_invalid"))
    return response;
  throw new AppError(
    "upstream_rejected",
    sentence(`Clerk refused CLERK_SECRET_KEY: ${message ?? `status ${response.status}`}`),
  );
}

/** A mirror answered, which asks no other mirror for us. */
function refuseLoop({ status, body }: UpstreamResponse): void {
  if (status !== 508 || clerkErrorOf(body).code !== "loop_detected") return;
  throw new AppError(
    "loop_detected",
    "CLERK_API_URL leads to a mirror: to this one, or to one that asks another.",
    {
      longMessage: "CLERK_API_URL must lead to Clerk; without it the mirror asks https://api.clerk.com.",
    },
  );
}
