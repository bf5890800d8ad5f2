import type { ServerResponse } from "node:http";
import type { Context } from "hono";
import type { Asker } from "../lib/shares.js";
import type { View } from "../query/present.js";
import type { HttpEnv } from "./respond.js";

/** The key of a request, and whether the answer is still awaited. Available behind `authenticated`. */
export function askerOf(c: Context<HttpEnv>): Asker {
  const key = c.get("principal").name;
  const signal = c.env?.outgoing ? leavingOf(c.env.outgoing) : c.env?.leaving;
  return signal ? { key, signal } : { key };
}

/** Aborts when nobody waits for this answer any more. */
export function leavingOf(outgoing: ServerResponse): AbortSignal {
  const leaving = new AbortController();
  outgoing.once("close", () => {
    // The same event is emitted when an answer has been sent.
    if (!outgoing.writableFinished) leaving.abort();
  });
  if (outgoing.destroyed) leaving.abort();
  return leaving.signal;
}

/** What the key of a request may see. */
export const viewOf = (c: Context<HttpEnv>): View => ({
  privateMetadata: c.get("principal").scopes.has("private_metadata:read"),
});
