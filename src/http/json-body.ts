import { AppError } from "../lib/errors.js";

/** The value that a body spells. Throws `invalid_payload` for one that isn't JSON. */
export function parseJsonBody(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new AppError("invalid_payload", "The body is not JSON.", { cause });
  }
}
