import { createHash } from "node:crypto";
import type { Json } from "../clerk.js";

/** 128 bits of SHA-256 over the object's members without the `except`ed ones; key order doesn't matter. */
export function contentHash(object: Json, except: ReadonlySet<string>): string {
  const text = `{${Object.keys(object)
    .filter((key) => !except.has(key))
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonical(object[key])}`)
    .join(",")}}`;
  return createHash("sha256").update(text).digest("base64url").slice(0, 22);
}

// Loops, and one frame for each level: users can nest 4,000 arrays in the 8 KB that Clerk gives them.
function canonical(value: unknown): string {
  if (value === null || typeof value !== "object") return JSON.stringify(value) ?? "null";
  let text = "";
  if (Array.isArray(value)) {
    for (const inner of value) text += `${text && ","}${canonical(inner)}`;
    return `[${text}]`;
  }
  const object = value as Json;
  for (const key of Object.keys(object).sort()) {
    text += `${text && ","}${JSON.stringify(key)}:${canonical(object[key])}`;
  }
  return `{${text}}`;
}
