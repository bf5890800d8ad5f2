/** What `MirrorError` is made of. */
export interface MirrorErrorDetails {
  status: number;
  code: string;
  param?: string | null;
  retryAfter?: number | null;
  meta?: Readonly<Record<string, unknown>>;
  cause?: unknown;
}

/** Whatever the mirror refuses, and whatever keeps it from answering. */
export class MirrorError extends Error {
  override readonly name = "MirrorError";
  /** The HTTP status; 0 where no answer came (`network_error`, `timeout`) or a stream was cut (`stream_cut`). */
  readonly status: number;
  /** For programs, such as `form_param_value_invalid`, `query_too_expensive`, `changes_expired`. */
  readonly code: string;
  /** The parameter, or the JSON path in the request's body, that is wrong. */
  readonly param: string | null;
  /** Seconds after which the mirror wants to be asked again. */
  readonly retryAfter: number | null;
  /** What else the mirror said about it. */
  readonly meta: Readonly<Record<string, unknown>>;

  constructor(message: string, { status, code, param, retryAfter, meta, cause }: MirrorErrorDetails) {
    super(message, cause === undefined ? undefined : { cause });
    this.status = status;
    this.code = code;
    this.param = param ?? null;
    this.retryAfter = retryAfter ?? null;
    this.meta = meta ?? {};
  }
}

/** The error that an answer tells of, whoever sent it: a proxy in between may answer with anything. */
export async function errorOfAnswer(answer: Response): Promise<MirrorError> {
  const { status } = answer;
  const first = firstErrorIn(await answer.text().catch(() => ""));
  const meta = objectOf(first?.meta) ?? {};
  const message = first?.long_message ?? first?.message;
  return new MirrorError(typeof message === "string" ? message : `The mirror answered with ${status}.`, {
    status,
    code: typeof first?.code === "string" ? first.code : "unknown_error",
    param: typeof meta.param_name === "string" ? meta.param_name : null,
    retryAfter: secondsIn(answer.headers.get("retry-after")),
    meta,
  });
}

function firstErrorIn(body: string): Record<string, unknown> | null {
  try {
    const errors = objectOf(JSON.parse(body))?.errors;
    return Array.isArray(errors) ? objectOf(errors[0]) : null;
  } catch {
    return null;
  }
}

function secondsIn(header: string | null): number | null {
  return header !== null && /^\d{1,6}$/.test(header) ? Number(header) : null;
}

function objectOf(value: unknown): Record<string, unknown> | null {
  return value !== null && typeof value === "object" ? (value as Record<string, unknown>) : null;
}
