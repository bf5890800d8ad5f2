import type { Context } from "hono";
import type { HttpEnv } from "../../respond.js";

/**
 * What every answer of the dashboard carries. Scripts and styles come from the mirror alone, none stands in a page, and nobody else
 * frames it.
 */
export const PAGE_HEADERS = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  "referrer-policy": "same-origin",
  "cross-origin-opener-policy": "same-origin",
  "permissions-policy": "camera=(), microphone=(), geolocation=()",
  "x-frame-options": "DENY",
} as const;

/** Whether htmx asks for a part of a page. */
export const isPart = (c: Context<HttpEnv>) => c.req.header("HX-Request") === "true";
