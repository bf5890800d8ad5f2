/**
 * An error as it may be logged: its kind, message, code, stack and causes. Postgres adds the failing row to its errors
 * and Drizzle the statement's parameters, and both are people's data.
 */
export function loggableError(error: unknown): unknown {
  if (!(error instanceof Error)) return { message: String(error) };
  return {
    type: error.name,
    message: withoutParameters(error.message),
    ...("code" in error && { code: error.code }),
    stack: error.stack && withoutParameters(error.stack),
    ...(error.cause !== undefined && { cause: loggableError(error.cause) }),
  };
}

const withoutParameters = (text: string) => text.replace(/\nparams: .*?(?=\n {4}at |$)/s, "");
