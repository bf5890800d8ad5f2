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

function canonical(value: unknown): string {
  if (value === null || typeof value !== "object") return JSON.stringify(value) ?? "null";
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  const object = value as Json;
  return `{${Object.keys(object)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonical(object[key])}`)
    .join(",")}}`;
}
