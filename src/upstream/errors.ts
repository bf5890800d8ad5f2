import { AppError } from "../lib/errors.js";

/** What Clerk answers when a request fails. */
export interface ClerkError {
  /** In lower case, to be comparable: some stand-ins for Clerk write `RESOURCE_NOT_FOUND`. */
  code: string | null;
  message: string | null;
}

/** With one full stop at its end: some of Clerk's messages have one. */
export const sentence = (text: string): string => (text.endsWith(".") ? text : `${text}.`);

/** The first error in Clerk's error body. Nulls if the body is none, as from a proxy in between. */
export function clerkErrorOf(body: Buffer): ClerkError {
  const first = errorsOf(parseJson(body))?.[0];
  const read = (name: string) => {
    const value = first && typeof first === "object" ? (first as Record<string, unknown>)[name] : undefined;
    return typeof value === "string" ? value : null;
  };
  return { code: read("code")?.toLowerCase() ?? null, message: read("long_message") ?? read("message") };
}

/** Whether a client that expects Clerk's errors can read this body. */
export function isClerkError(body: Buffer): boolean {
  return errorsOf(parseJson(body)) !== null;
}

/** A body in Clerk's shape for an error of something that stands before Clerk and sent none. It has our id of the request. */
export function synthesisedError(status: number, requestId: string | undefined): Buffer {
  const [code, message] = SYNTHESISED[status] ?? [
    status < 500 ? "bad_request" : "internal_clerk_error",
    `HTTP ${status}`,
  ];
  const long_message = `${message}. The answer came without details (status ${status}).`;
  return Buffer.from(
    JSON.stringify({ errors: [{ message, long_message, code }], clerk_trace_id: requestId }),
  );
}

const SYNTHESISED: Record<number, [code: string, message: string]> = {
  401: ["authentication_invalid", "Unauthorized"],
  403: ["authorization_invalid", "Forbidden"],
  404: ["resource_not_found", "not found"],
  413: ["request_body_too_large", "Request body too large"],
  415: ["unsupported_content_type", "Unsupported content type"],
  429: ["too_many_requests", "Too many requests"],
  502: ["bad_gateway", "Bad gateway"],
  503: ["service_unavailable", "Service unavailable"],
  504: ["gateway_timeout", "Gateway timeout"],
};

/**
 * `Retry-After` in milliseconds, or null if there is none to be read. A date in it is compared with the sender's own
 * clock if the answer shows that, so that it means the same however wrong our clock is.
 */
export function retryAfterMs(headers: Headers): number | null {
  const value = headers.get("retry-after")?.trim() ?? "";
  if (/^\d+(\.\d+)?$/.test(value)) return Number(value) * 1000;
  const untilMs = httpDateMs(value);
  return untilMs === null ? null : Math.max(0, untilMs - (dateMs(headers) ?? Date.now()));
}

/** When the answer was made, by the clock of its sender. Null if it doesn't say. Clerk gives whole seconds. */
export const dateMs = (headers: Headers): number | null => httpDateMs(headers.get("date") ?? "");

/** Matches only what HTTP calls a date. JavaScript accepts almost any text with a number in it, `-5` for instance. */
function httpDateMs(value: string): number | null {
  if (!/^[A-Z][a-z]+,? .*\d\d:\d\d:\d\d/.test(value)) return null;
  const ms = Date.parse(/GMT$/.test(value) ? value : `${value} GMT`);
  return Number.isNaN(ms) ? null : ms;
}

/** The error that a caller sees for a request without an answer. */
export function unanswered(error: unknown, what: string): AppError {
  if (error instanceof AppError) return error;
  if (isTimeout(error)) {
    return new AppError("upstream_timeout", "Clerk did not answer in time.", {
      longMessage: `Clerk did not answer ${what} in time.`,
      cause: error,
    });
  }
  return new AppError("upstream_unavailable", "Clerk can't be reached.", {
    longMessage: `The connection to Clerk failed (${reasonOf(error)}).`,
    cause: error,
  });
}

/**
 * Whether the connection failed before a byte of the request was written: then Clerk knows nothing of the request.
 */
export function failedToConnect(error: unknown): boolean {
  for (let e = error; e instanceof Error; e = e.cause) {
    if ("syscall" in e && (e.syscall === "connect" || e.syscall === "getaddrinfo")) return true;
    if ("code" in e && e.code === "UND_ERR_CONNECT_TIMEOUT") return true;
    if (e instanceof AggregateError && e.errors.length > 0) return e.errors.every(failedToConnect);
  }
  return false;
}

function isTimeout(error: unknown): boolean {
  for (let e = error; e instanceof Error; e = e.cause) {
    if (e.name === "TimeoutError" || ("code" in e && /TIMEOUT|ETIMEDOUT/.test(String(e.code)))) return true;
  }
  return false;
}

function reasonOf(error: unknown): string {
  for (let e = error; e instanceof Error; e = e.cause) {
    if ("code" in e && typeof e.code === "string") return e.code;
  }
  return error instanceof Error ? error.name : "unknown";
}

function errorsOf(value: unknown): unknown[] | null {
  const errors = value && typeof value === "object" ? (value as { errors?: unknown }).errors : null;
  return Array.isArray(errors) ? errors : null;
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    return null;
  }
}
