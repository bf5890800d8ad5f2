import type { ServerResponse } from "node:http";
import type { Principal } from "../auth/keys.js";

/** Answers whose request was counted already: a request that the shortcut leaves to the app is still one request. */
const counted = new WeakMap<ServerResponse, () => void>();

/**
 * Counts a request against the limits of its key until its answer has been sent, or its caller has gone. Throws
 * `rate_limited` if it is one too many. Calling it twice for a request counts it once.
 */
export function admit({ limiter }: Principal, outgoing: ServerResponse): void {
  if (!limiter || counted.has(outgoing)) return;
  limiter.enter();
  counted.set(outgoing, limiter.leave);
  // A caller who left while the key was looked up won't close the answer a second time.
  if (outgoing.destroyed) limiter.leave();
  else outgoing.once("close", limiter.leave);
}

/**
 * Counts a request out before its answer has ended: one that only waits from now on. Otherwise a key that may make few
 * requests at a time could make none beside its streams. Calling it again is free.
 */
export function countOut(outgoing: ServerResponse | undefined): void {
  const leave = outgoing && counted.get(outgoing);
  if (!leave || !outgoing.listeners("close").includes(leave)) return;
  outgoing.off("close", leave);
  leave();
}
