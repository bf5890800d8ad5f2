import type { ErrorHandler } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { isDatabaseTrouble } from "../db/connection/trouble.js";
import { AppError, type ErrorCode } from "../lib/errors.js";
import type { Logger } from "../observability/logger.js";
import { bodyCut, bodyPasses, isBodyCut } from "./raw-body.js";
import { type HttpEnv, JSON_TYPE, respond } from "./respond.js";

// A new code doesn't compile until it has a status.
const STATUS = {
  configuration: 500,
  usage: 400,
  bad_request: 400,
  invalid_request: 422,
  invalid_payload: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  expired: 410,
  method_not_allowed: 405,
  too_large: 413,
  headers_too_large: 431,
  too_slow: 408,
  upstream_unavailable: 502,
  upstream_timeout: 504,
  upstream_rejected: 502,
  upstream_refused: 502,
  loop_detected: 508,
  rate_limited: 429,
  database_unavailable: 503,
  not_ready: 503,
  overloaded: 503,
  conflict: 409,
} as const satisfies Record<ErrorCode, ContentfulStatusCode>;

export const statusOf = (code: ErrorCode): ContentfulStatusCode => STATUS[code];

/** Clerk's code in the body, for errors that name none themselves. */
const CLERK_CODE = {
  configuration: "internal_clerk_error",
  usage: "bad_request",
  bad_request: "bad_request",
  invalid_request: "form_param_value_invalid",
  invalid_payload: "request_body_invalid",
  unauthenticated: "authentication_invalid",
  forbidden: "authorization_invalid",
  not_found: "resource_not_found",
  expired: "resource_expired",
  method_not_allowed: "method_not_allowed",
  too_large: "request_body_too_large",
  headers_too_large: "request_headers_too_large",
  too_slow: "request_timeout",
  upstream_unavailable: "bad_gateway",
  upstream_timeout: "gateway_timeout",
  upstream_rejected: "bad_gateway",
  upstream_refused: "bad_gateway",
  loop_detected: "loop_detected",
  rate_limited: "too_many_requests",
  database_unavailable: "service_unavailable",
  not_ready: "service_unavailable",
  overloaded: "service_unavailable",
  conflict: "conflict",
} as const satisfies Record<ErrorCode, string>;

/** How long a caller should wait before trying again, for errors that don't say. */
const RETRY_AFTER_SECONDS: Partial<Record<ErrorCode, number>> = {
  database_unavailable: 1,
  not_ready: 1,
  overloaded: 1,
};

/** An answer, before it is decided how it is sent. */
export interface ErrorAnswer {
  status: ContentfulStatusCode;
  headers: Record<string, string>;
  body: string;
}

/** The answer to a failure, in Clerk's shape. */
export function presentError(error: AppError, requestId: string): ErrorAnswer {
  const headers: Record<string, string> = { ...JSON_TYPE };
  const retryAfter = error.retryAfterSeconds ?? RETRY_AFTER_SECONDS[error.code];
  if (retryAfter !== undefined) headers["retry-after"] = String(Math.max(1, Math.ceil(retryAfter)));
  if (error.code === "unauthenticated") headers["www-authenticate"] = "Bearer";
  const body = errorBody(error.clerkCode ?? CLERK_CODE[error.code], error, requestId);
  return { status: STATUS[error.code], headers, body };
}

/** The answer to a bug: nothing but the id under which the log has it. */
export function presentBug(requestId: string): ErrorAnswer {
  const body = errorBody("internal_clerk_error", { message: "Internal error." }, requestId);
  return { status: 500, headers: JSON_TYPE, body };
}

/** Logs a failure and returns what may be said about it. Null: it is a bug, of which nothing may be said. */
export type ReportFailure = (failure: unknown, requestId: string) => AppError | null;

/** `count` is told the code of each failure; "bug": an unexpected one. */
export function createFailureReport(log: Logger, count: (code: ErrorCode | "bug") => void): ReportFailure {
  return (failure, requestId) => {
    const told = report(failure, requestId);
    count(told?.code ?? "bug");
    return told;
  };

  function report(failure: unknown, requestId: string): AppError | null {
    const entry = { requestId, err: failure };
    if (failure instanceof AppError) {
      // Refused requests come by the thousand, and the line of the request says everything.
      if (STATUS[failure.code] >= 500 && failure.code !== "overloaded") log.warn(entry, "request failed");
      return failure;
    }
    if (isDatabaseTrouble(failure)) {
      log.warn(entry, "database unavailable");
      return new AppError("database_unavailable", "The database can't be reached.");
    }
    log.error(entry, "unexpected error");
    return null;
  }
}

/** Answers what the handlers throw. An unexpected error is logged whole and answered without a word about it. */
export function answerErrors(report: ReportFailure): ErrorHandler<HttpEnv> {
  return async (failure, c) => {
    const isRefused = failure instanceof AppError && STATUS[failure.code] < 500;
    const error = isBodyCut(c) && !isRefused ? bodyCut(failure) : failure;
    const requestId = c.get("requestId");
    const told = report(error, requestId);
    const { status, headers, body } = told ? presentError(told, requestId) : presentBug(requestId);
    const own = c.get("headers");
    if (own.connection === undefined && !(await bodyPasses(c))) own.connection = "close";
    return respond(c, body, status, headers);
  };
}

/**
 * A path that neither the mirror nor Clerk has. Mostly a client has a wrong base URL, so the answer says the right
 * one.
 */
export function notAPathOfClerks(path: string, origin: string): AppError {
  const longMessage = /^\/+v1\/+v1(\/|$)/i.test(path)
    ? `The path has /v1 twice: this client adds it itself, so its base URL is ${origin} (without /v1).`
    : path.startsWith("/mirror/")
      ? "The mirror has nothing at this address."
      : `Paths of Clerk's API begin with /v1 here. For a client that adds it itself, as Clerk's SDKs do, the base URL is ${origin}; for any other it is ${origin}/v1.`;
  return new AppError("not_found", "not found", { longMessage });
}

function errorBody(
  code: string,
  error: Pick<AppError, "message"> & Partial<Pick<AppError, "longMessage" | "meta">>,
  requestId: string,
): string {
  const { message, longMessage = message, meta } = error;
  return JSON.stringify({
    errors: [{ message, long_message: longMessage, code, ...(meta && { meta }) }],
    clerk_trace_id: requestId,
  });
}
