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
  for (const { key, label } of sortedMembers(object)) {
    if (!except?.has(key)) text += label + canonical(object[key]);
  }
  return `${text}}`;
}

interface Shape {
  keys: readonly string[];
  sorted: readonly { key: string; label: string }[];
}

/** By the number of members and the first one's name: whatever shape was seen last. */
const shapes = new Map<string, Shape>();
const MOST_SHAPES = 1000;

/** Sorting the members of what Clerk sends, whose objects are of few shapes, would take half the time of all this. */
function sortedMembers(object: Json): Shape["sorted"] {
  const keys = Object.keys(object);
  const name = `${keys.length}${keys[0]}`;
  const known = shapes.get(name);
  if (known && keys.every((key, n) => key === known.keys[n])) return known.sorted;
  const sorted = [...keys].sort().map((key) => ({ key, label: `${key.length}:${key}` }));
  if (shapes.size >= MOST_SHAPES) shapes.clear();
  shapes.set(name, { keys, sorted });
  return sorted;
}
