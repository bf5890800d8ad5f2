/** Every kind of failure that a caller may see. `http/errors.ts` gives each its status. */
export type ErrorCode =
  | "configuration"
  | "usage"
  | "bad_request"
  | "invalid_request"
  | "invalid_payload"
  | "unauthenticated"
  | "forbidden"
  | "not_found"
  | "expired"
  | "method_not_allowed"
  | "too_large"
  | "headers_too_large"
  | "too_slow"
  | "upstream_unavailable"
  | "upstream_timeout"
  | "upstream_rejected"
  | "upstream_refused"
  | "loop_detected"
  | "rate_limited"
  | "database_unavailable"
  | "not_ready"
  | "overloaded"
  | "conflict";

export interface ErrorDetails extends ErrorOptions {
  /** Clerk's own code for the error body; the default follows from `code`. */
  clerkCode?: string;
  /** `errors[].meta` of the error body, `param_name` for instance. */
  meta?: Record<string, unknown>;
  longMessage?: string;
  retryAfterSeconds?: number;
}

/** A failure the caller should see. Anything else that is thrown is a bug and becomes a 500. */
export class AppError extends Error {
  override readonly name = "AppError";
  readonly clerkCode: string | undefined;
  readonly meta: Record<string, unknown> | undefined;
  readonly longMessage: string | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(
    readonly code: ErrorCode,
    message: string,
    details: ErrorDetails = {},
  ) {
    super(message, details);
    this.clerkCode = details.clerkCode;
    this.meta = details.meta;
    this.longMessage = details.longMessage;
    this.retryAfterSeconds = details.retryAfterSeconds;
  }
}

/** What was thrown, as an error: JavaScript lets anything be thrown. */
export const errorOf = (thrown: unknown): Error =>
  thrown instanceof Error ? thrown : new Error(String(thrown));

/** The message of an error's innermost cause, for people: the errors around it say what was tried, this one why it failed. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.cause instanceof Error) return reasonOf(error.cause);
  // When a connection fails, Node collects one error for each address of the host name.
  const each = error instanceof AggregateError ? [...new Set(error.errors.map(reasonOf))].join("; ") : "";
  return each || error.message || error.name;
}
