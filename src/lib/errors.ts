/** Every failure a caller may be shown. `http/errors.ts` gives each its status. */
export type ErrorCode =
  | "configuration"
  | "usage"
  | "bad_request"
  | "invalid_request"
  | "invalid_payload"
  | "unauthenticated"
  | "forbidden"
  | "not_found"
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
