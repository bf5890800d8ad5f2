import type { HttpBindings } from "@hono/node-server";
import type { Context } from "hono";
import { ClerkFailure } from "./failure.js";
import { isObject } from "./metadata.js";
import type { Json } from "./types.js";

export type SandboxEnv = { Bindings: HttpBindings };

/** A JSON body; nothing at all counts as `{}`, as with Clerk's operations that take none. */
export async function jsonBody(c: Context<SandboxEnv>): Promise<Json> {
  const text = await c.req.text();
  if (text === "") return {};
  try {
    const value: unknown = JSON.parse(text);
    if (isObject(value)) return value;
  } catch {
    // Answered below.
  }
  throw new ClerkFailure(400, "request_body_invalid", "Request body invalid", "The request body is invalid.");
}

export const queryOf = (c: Context<SandboxEnv>) => new URL(c.req.url).searchParams;

/** Metadata in a PATCH of a user left the API with this version. */
const METADATA_LEFT = "2026-05-12";

export function takesMetadata(c: Context<SandboxEnv>): boolean {
  const version = c.req.header("Clerk-API-Version") ?? queryOf(c).get("__clerk_api_version");
  return version !== undefined && version !== null && version < METADATA_LEFT;
}
