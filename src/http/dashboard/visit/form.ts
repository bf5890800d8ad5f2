import type { Context } from "hono";
import { AppError } from "../../../lib/errors.js";
import type { HttpEnv } from "../../respond.js";

/** The fields of a form. Throws `invalid_payload` where they can't be read: a form in parts that has no boundary, or no end. */
export async function formOf(c: Context<HttpEnv>): Promise<Record<string, string | File>> {
  try {
    return await c.req.parseBody();
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw new AppError("invalid_payload", "The form can't be read.", { cause });
  }
}
