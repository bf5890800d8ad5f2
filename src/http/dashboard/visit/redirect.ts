import type { Context } from "hono";
import { type HttpEnv, respond } from "../../respond.js";

/** Sends the browser to another page of the dashboard, which it gets with GET. */
export function redirect(c: Context<HttpEnv>, to: string, cookie?: string): Response {
  return respond(c, null, 303, { location: to, ...(cookie === undefined ? {} : { "set-cookie": cookie }) });
}
