import { type Context, Hono } from "hono";
import { AppError } from "../../lib/errors.js";
import type { Logger } from "../../observability/logger.js";
import { BODY_BYTES } from "../body-limits.js";
import type { AskApp } from "../dashboard/visit/api.js";
import { parseJsonBody } from "../json-body.js";
import type { ServeMcp } from "../mcp/server.js";
import type { AskRoute } from "../mcp/tools.js";
import { limitBody, requireScope } from "../middleware.js";
import { type HttpEnv, respond } from "../respond.js";

export interface McpDeps {
  log: Logger;
  askApp: AskApp;
}

/** No address of this kind is ever asked: the request doesn't leave the process. */
const ORIGIN = "http://mirror.internal";

/** The Model Context Protocol over HTTP, without sessions: each message is answered by itself. */
export function mcpRoutes({ log, askApp }: McpDeps): Hono<HttpEnv> {
  // Loaded by the first who asks: most mirrors are never asked, and it costs memory.
  let serving: Promise<ServeMcp> | undefined;
  const load = async () => {
    const { createServeMcp } = await import("../mcp/server.js");
    return createServeMcp((err) => log.debug({ err }, "a message of a client of MCP was refused"));
  };

  return new Hono<HttpEnv>()
    .post("/mcp", requireScope("users:read"), limitBody(BODY_BYTES.mcp), async (c) => {
      const message = messageOf(await c.req.text());
      serving ??= load();
      const serve = await serving;
      const { method, headers, signal } = c.req.raw;
      const request = new Request(`${ORIGIN}/mcp`, { method, headers, signal });
      const answer = await serve(request, message, routeFor(c, askApp));
      const body = new Uint8Array(await answer.arrayBuffer());
      const type = answer.headers.get("content-type");
      return respond(c, body.length > 0 ? body : null, answer.status, type ? { "content-type": type } : {});
    })
    .all("/mcp", (c) => {
      c.get("headers").allow = "POST";
      throw new AppError("method_not_allowed", "Messages are sent here by POST; there are no sessions.");
    });
}

/** One message at a time: a list of them would be one request to the limits of its key, however long it is. */
function messageOf(text: string): unknown {
  const message = parseJsonBody(text);
  if (typeof message !== "object" || message === null || Array.isArray(message))
    throw new AppError("invalid_payload", "The body must be one JSON-RPC message, not a list of them.");
  if (hasMember(message, "__proto__"))
    throw new AppError("invalid_payload", "No member of a message can be named __proto__.");
  return message;
}

/** At any depth. The schemas leave out a member of this name: a filter would be answered as if it weren't there, with everybody. */
function hasMember(message: object, name: string): boolean {
  const open: unknown[] = [message];
  while (open.length > 0) {
    const value = open.pop();
    if (typeof value !== "object" || value === null) continue;
    if (Object.hasOwn(value, name)) return true;
    for (const inner of Object.values(value)) open.push(inner);
  }
  return false;
}

function routeFor(c: Context<HttpEnv>, askApp: AskApp): AskRoute {
  const headers = {
    authorization: c.req.header("Authorization") ?? "",
    "x-request-id": c.get("requestId"),
    "content-type": "application/json",
  };
  // With the connection: whoever goes away ends what runs for them.
  const env = { isInProcess: true, ...(c.env?.outgoing && { outgoing: c.env.outgoing }) } as const;
  return async (method, path, body) => {
    const init = body === undefined ? { method, headers } : { method, headers, body: JSON.stringify(body) };
    const answer = await askApp(new Request(ORIGIN + path, init), env);
    return { status: answer.status, text: await answer.text() };
  };
}
