import { AppError } from "../../../src/lib/errors.js";

/** How this is refused. Fails the test if it isn't, or by a bug. */
export function refusal(refused: () => unknown) {
  try {
    refused();
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    const { code, message, longMessage, meta } = error;
    return { code, message, longMessage, path: meta?.param_name };
  }
  throw new Error("It wasn't refused.");
}
