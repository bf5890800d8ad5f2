import { readFileSync } from "node:fs";
import type { JsonSchema } from "./components.js";

/** Clerk's own description of its Users API (OpenAPI 3.0), from github.com/clerk/openapi-specs (MIT). */
export interface ClerkDescription {
  info: { version: string };
  paths: Record<string, Record<string, ClerkOperation>>;
  components: Record<"schemas" | "responses" | "parameters", Record<string, JsonSchema>>;
}

export interface ClerkOperation {
  operationId: string;
  summary?: string;
  description?: string;
  deprecated?: boolean;
  parameters?: JsonSchema[];
  requestBody?: { required?: boolean; description?: string; content: Record<string, JsonSchema> };
  responses: Record<string, JsonSchema>;
}

/** In the terms of OpenAPI 3.1, whose schemas are JSON Schemas. */
export function readClerkDescription(): ClerkDescription {
  const text = readFileSync(new URL("./clerk-users.json", import.meta.url), "utf8");
  return toJsonSchema(JSON.parse(text)) as ClerkDescription;
}

/**
 * OpenAPI 3.0 says `nullable` where JSON Schema says "or null". Its discriminators are
 * hints. What only generators of Clerk's own SDKs read is left out.
 */
export function toJsonSchema(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toJsonSchema);
  if (value === null || typeof value !== "object") return value;
  const { nullable, discriminator: _, example: __, ...rest } = value as Record<string, unknown>;
  const schema = Object.fromEntries(
    Object.entries(rest)
      .filter(([key]) => !key.startsWith("x-speakeasy-"))
      .map(([key, inner]) => [key, toJsonSchema(inner)]),
  );
  if (nullable !== true) return schema;
  const { description, ...bare } = schema;
  const either = { anyOf: [{ type: "null" }, bare] };
  return description === undefined ? either : { description, ...either };
}
