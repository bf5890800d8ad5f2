import { hash } from "node:crypto";
import type { Json } from "../../clerk.js";

/** What two objects are compared by. */
export interface Digest {
  /** 128 bits of a SHA-256 over the object without the members in `except`. The order of members doesn't matter. */
  hash: string;
  /** A hash of 32 bits over the names of all members that were seen, in the order in which each object has them. */
  keyOrder: number;
}

export function digestOf(object: Json, except: ReadonlySet<string>): Digest {
  const text = canonical(object, except);
  return { hash: hash("sha256", text, "base64url").slice(0, 22), keyOrder: order };
}

export const contentHash = (object: Json, except: ReadonlySet<string>): string =>
  digestOf(object, except).hash;

/** The text so far. It is one growing text, because joining texts of parts takes as long again for each level of nesting. */
let written = "";
/** The hash of the names so far. */
let order = 0;

/**
 * A text that is different for different values. Each string is written behind its length, so that nothing needs escaping,
 * which costs twice as much.
 */
function canonical(object: Json, except: ReadonlySet<string>): string {
  written = "";
  order = 0;
  try {
    writeMembers(object, except);
    return written;
  } finally {
    written = "";
  }
}

/** Uses one stack frame for each level of nesting: users can nest 4,000 arrays in the 8 KB that Clerk allows for metadata. */
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
  const shape = shapeOf(object);
  order = (Math.imul(order, 31) + shape.order) | 0;
  for (const { key, label } of shape.sorted) {
    if (except?.has(key)) continue;
    written += label;
    write(object[key]);
  }
  written += "}";
}

interface Shape {
  keys: readonly string[];
  sorted: readonly { key: string; label: string }[];
  /** A hash of `keys`. */
  order: number;
}

/**
 * The shape that was seen last for each number of members and name of the first one. The shapes of metadata are made by users,
 * so their number and size are bounded: about 2 MB at most. Clerk's own objects have at most 50 members.
 */
const shapes = new Map<string, Shape>();
const MOST_SHAPES = 500;
const MOST_MEMBERS = 64;
const LONGEST_NAMES = 2000;

/** The objects that Clerk sends have few shapes. Sorting the members of each would take half of the time for a hash. */
function shapeOf(object: Json): Shape {
  const keys = Object.keys(object);
  if (keys.length > MOST_MEMBERS) return made(keys);
  const name = `${keys.length}${keys[0]}`;
  const known = shapes.get(name);
  if (known && keys.every((key, n) => key === known.keys[n])) return known;
  const shape = made(keys);
  if (keys.reduce((length, key) => length + key.length, 0) > LONGEST_NAMES) return shape;
  if (shapes.size >= MOST_SHAPES) shapes.clear();
  shapes.set(name, shape);
  return shape;
}

function made(keys: readonly string[]): Shape {
  let order = keys.length;
  for (const key of keys) {
    for (let n = 0; n < key.length; n++) order = (Math.imul(order, 31) + key.charCodeAt(n)) | 0;
    order = (Math.imul(order, 31) + 1) | 0;
  }
  return { keys, sorted: [...keys].sort().map((key) => ({ key, label: `${key.length}:${key}` })), order };
}
