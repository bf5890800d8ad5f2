import type { ServerResponse } from "node:http";
import type { Principal } from "../auth/keys.js";

/** Answers whose requests were counted already: what the shortcut leaves to the app is still one request. */
const counted = new WeakSet<ServerResponse>();

/**
 * Lets a request in by the limits of its key, until its answer has been sent or its caller has gone. Throws `rate_limited`
 * where it is one too many. Asking twice counts once.
 */
export function admit({ limiter }: Principal, outgoing: ServerResponse): void {
  if (!limiter || counted.has(outgoing)) return;
  limiter.enter();
  counted.add(outgoing);
  // Whoever went while his key was looked up won't close a second time.
  if (outgoing.destroyed) limiter.leave();
  else outgoing.once("close", limiter.leave);
}
