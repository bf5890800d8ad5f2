import type { Context, Next } from "hono";
import { ClerkFailure } from "../world/failure.js";
import type { SandboxEnv } from "./http.js";

const WINDOW_MS = 10_000;

/** Clerk's limit on requests per 10 seconds. Beyond it the answer is 429 with the seconds to wait. Null: no limit. */
export function createRateLimit(limit: number | null) {
  const times: number[] = [];
  return async (c: Context<SandboxEnv>, next: Next) => {
    if (limit === null || c.req.path === "/v1/jwks") return next();
    const now = performance.now();
    while (times[0] !== undefined && times[0] <= now - WINDOW_MS) times.shift();
    if (times.length >= limit) {
      const waitSeconds = Math.ceil(((times[0] ?? now) + WINDOW_MS - now) / 1000);
      throw new ClerkFailure(
        429,
        "too_many_requests",
        "Too many requests",
        "Too many requests. Please wait.",
        null,
        waitSeconds,
      );
    }
    times.push(now);
    return next();
  };
}
