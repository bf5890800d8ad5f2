import { hash } from "node:crypto";
import type { Json } from "../../clerk.js";

/** 128 bits of SHA-256 over the object's members without the `except`ed ones; key order doesn't matter. */
export function contentHash(object: Json, except: ReadonlySet<string>): string {
  const text = canonical(object, except);
  return hash("sha256", text, "base64url").slice(0, 22);
}

/** What was written so far. One text that grows: joining the texts of parts takes so long again for each level of nesting. */
let written = "";

/**
 * No two values have the same: strings stand behind their length, so nothing needs escaping, which costs twice as much.
 */
function canonical(object: Json, except: ReadonlySet<string>): string {
  written = "";
  try {
    writeMembers(object, except);
    return written;
  } finally {
    written = "";
  }
}

/** Loops, and one frame for each level: users can nest 4,000 arrays in the 8 KB that Clerk gives them. */
function write(value: unknown): void {
  if (typeof value === "string") written += `"${value.length}:${value}`;
  else if (value === null || value === undefined) written += "z";
  else if (typeof value !== "object") written += `${value};`;
  else if (Array.isArray(value)) {
    written += "[";
    for (const inner of value) write(inner);
    written += "]";
  } else writeMembers(value as Json);
}

function writeMembers(object: Json, except?: ReadonlySet<string>): void {
  written += "{";
  for (const { key, label } of sortedMembers(object)) {
    if (except?.has(key)) continue;
    written += label;
    write(object[key]);
  }
  written += "}";
}

interface Shape {
  keys: readonly string[];
  sorted: readonly { key: string; label: string }[];
}

/**
 * By the number of members and the first one's name: whatever shape was seen last. Users make the shapes of metadata:
 * what is kept of them, some 2 MB at most, is bounded in number and in size. Clerk's own have 50 members at most.
 */
const shapes = new Map<string, Shape>();
const MOST_SHAPES = 500;
const MOST_MEMBERS = 64;
const LONGEST_NAMES = 2000;

/** Sorting the members of what Clerk sends, whose objects are of few shapes, would take half the time of all this. */
function sortedMembers(object: Json): Shape["sorted"] {
  const keys = Object.keys(object);
  if (keys.length > MOST_MEMBERS) return sorted(keys);
  const name = `${keys.length}${keys[0]}`;
  const known = shapes.get(name);
  if (known && keys.every((key, n) => key === known.keys[n])) return known.sorted;
  const shape = { keys, sorted: sorted(keys) };
  if (keys.reduce((length, key) => length + key.length, 0) > LONGEST_NAMES) return shape.sorted;
  if (shapes.size >= MOST_SHAPES) shapes.clear();
  shapes.set(name, shape);
  return shape.sorted;
}

const sorted = (keys: readonly string[]) =>
  [...keys].sort().map((key) => ({ key, label: `${key.length}:${key}` }));
