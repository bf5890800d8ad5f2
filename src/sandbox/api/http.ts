import type { HttpBindings } from "@hono/node-server";
import type { Context, Next } from "hono";
import { ClerkFailure } from "../world/failure.js";
import { isObject } from "../world/metadata.js";
import type { Json } from "../world/types.js";

export type SandboxEnv = { Bindings: HttpBindings };

/** The JSON body. An empty one counts as `{}`, as in Clerk's operations that take no body. */
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

/** The version that applies to a request that names none: Clerk's first. */
const VERSIONS = ["2021-02-05", "2024-10-01", "2025-04-10", "2025-11-10", "2026-05-12"];
/** The version in which metadata were removed from the PATCH of a user. */
const METADATA_LEFT = "2026-05-12";

/** Read from the header or the query. Both, the same one twice, or a version that Clerk never had make the request invalid. */
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
