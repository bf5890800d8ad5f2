/** An error in the form in which Clerk answers it. */
export class ClerkFailure extends Error {
  override readonly name = "ClerkFailure";

  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly longMessage: string = message,
    readonly meta: Record<string, unknown> | null = null,
    readonly retryAfterSeconds: number | null = null,
  ) {
    super(message);
  }
}

export function notFound(what: string, id: string): ClerkFailure {
  return new ClerkFailure(404, "resource_not_found", "not found", `No ${what} was found with id ${id}`);
}

/** A 422 about one parameter. */
export function badParam(name: string, code: string, longMessage: string): ClerkFailure {
  return new ClerkFailure(422, code, "is invalid", longMessage, { param_name: name });
}

export function unknownParam(name: string): ClerkFailure {
  const message = `${name} is not a valid parameter for this request.`;
  return new ClerkFailure(422, "form_param_unknown", "is unknown", message, { param_name: name });
}
