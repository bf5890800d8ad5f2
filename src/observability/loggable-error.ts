/**
 * An error as it may be logged: its kind, message, code, stack and causes. Its other fields are left out: Postgres adds the
 * failing row to its errors, and Drizzle the statement's parameters. Both are personal data.
 */
export function loggableError(error: unknown): unknown {
  if (!(error instanceof Error)) return { message: String(error) };
  return {
    type: error.name,
    message: messageOf(error),
    ...("code" in error && { code: error.code }),
    stack: error.stack && withoutParameters(error.stack.replace(error.message, () => messageOf(error))),
    ...(error.cause !== undefined && { cause: loggableError(error.cause) }),
  };
}

/** An error's message without what it quotes: Postgres quotes a value that it refuses, `JSON.parse` a piece of the text. */
export function messageOf(error: Error): string {
  const message = withoutParameters(error.message);
  if (error instanceof SyntaxError) return message.replace(/, .*(?= is not valid JSON)/s, ", … ");
  return "code" in error && /^22/.test(String(error.code)) ? message.replace(/: ".*/s, ": …") : message;
}

const withoutParameters = (text: string) => text.replace(/\nparams: .*?(?=\n {4}at |$)/s, "");
