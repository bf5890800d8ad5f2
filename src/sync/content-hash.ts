import { hash } from "node:crypto";
import type { Json } from "../clerk.js";

/** 128 bits of SHA-256 over the object's members without the `except`ed ones; key order doesn't matter. */
export function contentHash(object: Json, except: ReadonlySet<string>): string {
  return hash("sha256", members(object, except), "base64url").slice(0, 22);
}

/**
 * No two values have the same: strings stand behind their length, so nothing needs escaping, which costs twice as much.
 * Loops, and one frame for each level: users can nest 4,000 arrays in the 8 KB that Clerk gives them.
 */
function canonical(value: unknown): string {
  if (typeof value === "string") return `"${value.length}:${value}`;
  if (value === null || value === undefined) return "z";
  if (typeof value !== "object") return `${value};`;
  if (!Array.isArray(value)) return members(value as Json);
  let text = "[";
  for (const inner of value) text += canonical(inner);
  return `${text}]`;
}

function members(object: Json, except?: ReadonlySet<string>): string {
  let text = "{";
  for (const key of Object.keys(object).sort()) {
    if (!except?.has(key)) text += `${key.length}:${key}${canonical(object[key])}`;
  }
  return `${text}}`;
}
