import { AppError } from "../../lib/errors.js";
import { itemPath, memberPath, nearest, problem, shown } from "./problems.js";

const MOST_BYTES = 64 * 1024;

/** An object or array that is being read: the members it has so far, or null for an array, and where in it we are. */
interface Open {
  members: Set<string> | null;
  key: string;
  index: number;
}

/** Strings and what structures a text; in valid JSON the rest is scalars and space. */
const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]/g;

/**
 * The value of a JSON text. Throws `SyntaxError`, or `invalid_request` for an object that has a member twice: of two conditions
 * one would silently not hold. `onMember` is told each member of the outermost object, and its value's text.
 */
export function parseJson(
  text: string,
  path: string,
  onMember?: (key: string, json: string) => void,
): unknown {
  const value: unknown = JSON.parse(text);
  const open: Open[] = [];
  let isKeyNext = false;
  let from = 0;
  for (const { 0: token, index } of text.matchAll(TOKENS)) {
    const inner = open.at(-1);
    if (token === "{" || token === "[") {
      open.push({ members: token === "{" ? new Set() : null, key: "", index: 0 });
      isKeyNext = token === "{";
    } else if (token === "}" || token === "]") {
      if (open.length === 1 && inner?.members?.size) onMember?.(inner.key, text.slice(from, index));
      open.pop();
      isKeyNext = false;
    } else if (token === ",") {
      if (open.length === 1 && inner?.members) onMember?.(inner.key, text.slice(from, index));
      if (inner) inner.index++;
      isKeyNext = inner?.members != null;
    } else if (token === ":") {
      if (open.length === 1) from = index + 1;
      isKeyNext = false;
    } else if (isKeyNext && inner?.members) {
      inner.key = JSON.parse(token) as string;
      if (inner.members.has(inner.key)) throw problem(pathOf(open, path), "stands twice in its object.");
      inner.members.add(inner.key);
    }
  }
  return value;
}

const pathOf = (open: readonly Open[], path: string) =>
  open.reduce((at, { members, key, index }) => (members ? memberPath(at, key) : itemPath(at, index)), path);

/** What may stand in a body. `large`: what may have more than 64 KiB. */
export interface Members {
  names: readonly string[];
  large?: readonly string[];
}

/**
 * A body's members by name. Throws `invalid_payload` for what isn't JSON, and `invalid_request` for what isn't an object of
 * these members alone, each 64 KiB long at most.
 */
export function parseBody(text: string, { names, large = [] }: Members): ReadonlyMap<string, unknown> {
  let value: unknown;
  try {
    value = parseJson(text, "", (key, json) => {
      if (!names.includes(key) || large.includes(key) || Buffer.byteLength(json) <= MOST_BYTES) return;
      throw tooLong(key);
    });
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new AppError("invalid_payload", "The body is not JSON.", { cause, longMessage: cause.message });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw problem("body", `must be an object, not ${shown(value)}.`);
  }
  const members = new Map<string, unknown>(Object.entries(value));
  for (const name of members.keys()) {
    if (names.includes(name)) continue;
    const at = memberPath("", name) || "body";
    throw problem(at, `is no member of this body: ${shown(name)}. ${nearest(name, names)}`);
  }
  return members;
}

/** A filter that stands in a link as JSON. */
export function parseJsonFilter(text: string, path: string): unknown {
  if (Buffer.byteLength(text) > MOST_BYTES) throw tooLong(path);
  try {
    return parseJson(text, path);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw problem(path, `is not JSON: ${error.message}.`);
  }
}

const tooLong = (path: string) => problem(path, "must have at most 64 KiB.");
