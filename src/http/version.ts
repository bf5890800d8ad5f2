import type { Context } from "hono";
import type { Versions } from "../db/version.js";
import type { HttpEnv } from "./respond.js";

/**
 * Names in the answer the state that a later read must not be older than. What was committed is committed: an answer
 * goes out without the header rather than not at all.
 */
export async function nameVersion(c: Context<HttpEnv>, versions: Pick<Versions, "current">): Promise<void> {
  const version = await versions.current().catch(() => null);
  if (version !== null) c.get("headers")["x-mirror-version"] = version;
}
