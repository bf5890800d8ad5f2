import type { HttpBindings } from "@hono/node-server";
import type { Context, Next } from "hono";
import { ClerkFailure } from "../world/failure.js";
import { isObject } from "../world/metadata.js";
import type { Json } from "../world/types.js";

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

/** A request that names none of Clerk's versions is answered by the first. */
const VERSIONS = ["2021-02-05", "2024-10-01", "2025-04-10", "2025-11-10", "2026-05-12"];
/** Metadata in a PATCH of a user left the API with this one. */
const METADATA_LEFT = "2026-05-12";

/** By header or by query: both, the same one twice, or one that Clerk never had, is an invalid request. */
function versionOf(c: Context<SandboxEnv>): string {
  const header = c.req.header("Clerk-API-Version");
  const named = [...(header === undefined ? [] : [header]), ...queryOf(c).getAll("__clerk_api_version")];
  const [version = "2021-02-05"] = named;
  if (named.length <= 1 && VERSIONS.includes(version)) return version;
  const message = named.length > 1 ? "The API version was given twice." : "There is no such API version.";
  throw new ClerkFailure(400, "api_version_invalid", "Invalid API version", message);
}

export async function knownVersion(c: Context<SandboxEnv>, next: Next): Promise<void> {
  versionOf(c);
  await next();
}

export const takesMetadata = (c: Context<SandboxEnv>): boolean => versionOf(c) < METADATA_LEFT;
