import type { Context } from "hono";
import type { Asker } from "../lib/shares.js";
import type { HttpEnv } from "./respond.js";

/** Whose request it is, and whether it is still waited for. Behind `authenticated`. */
export function askerOf(c: Context<HttpEnv>): Asker {
  const key = c.get("principal").name;
  const outgoing = c.env?.outgoing;
  if (!outgoing) return { key };
  const leaving = new AbortController();
  outgoing.once("close", () => {
    // The same event ends an answer that was sent.
    if (!outgoing.writableFinished) leaving.abort();
  });
  if (outgoing.destroyed) leaving.abort();
  return { key, signal: leaving.signal };
}
