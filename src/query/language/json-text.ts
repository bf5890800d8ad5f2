import { AppError } from "../../lib/errors.js";
import { itemPath, memberPath, nearest, problem, shown } from "./problems.js";

const MOST_BYTES = 64 * 1024;

/** An object or array that is being read. */
interface Open {
  /** Of an object; 0 for an array. */
  number: number;
  key: string;
  index: number;
}

const [QUOTE, BACKSLASH, COMMA, COLON] = [0x22, 0x5c, 0x2c, 0x3a];
const [ARRAY, ARRAY_END, OBJECT, OBJECT_END] = [0x5b, 0x5d, 0x7b, 0x7d];

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
  // From here on the text is known to be JSON. One set for all objects: most objects have few members, and texts can have very
  // many objects.
  const members = new Set<string>();
  const open: Open[] = [];
  let inner: Open | undefined;
  let [objects, from, isKeyNext] = [0, 0, false];
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === QUOTE) {
      const end = endOfString(text, at);
      if (isKeyNext && inner) {
        inner.key = JSON.parse(text.slice(at, end + 1)) as string;
        const member = `${inner.number}.${inner.key}`;
        if (members.has(member)) throw problem(pathOf(open, path), "stands twice in its object.");
        members.add(member);
        isKeyNext = false;
      }
      at = end;
    } else if (char === OBJECT || char === ARRAY) {
      isKeyNext = char === OBJECT;
      inner = { number: isKeyNext ? ++objects : 0, key: "", index: 0 };
      open.push(inner);
    } else if (char === COLON) {
      if (open.length === 1) from = at + 1;
    } else if (char === COMMA || char === OBJECT_END || char === ARRAY_END) {
      if (open.length === 1 && inner?.number && from > 0) onMember?.(inner.key, text.slice(from, at));
      if (char === COMMA && inner) {
        inner.index++;
        isKeyNext = inner.number > 0;
      } else {
        open.pop();
        inner = open.at(-1);
        isKeyNext = false;
      }
    }
  }
  return value;
}

/** The place of the closing quote of the string that begins at `from`. */
function endOfString(text: string, from: number): number {
  let at = from + 1;
  for (let char = text.charCodeAt(at); char !== QUOTE; char = text.charCodeAt(at)) {
    at += char === BACKSLASH ? 2 : 1;
  }
  return at;
}

/** What a request can have stands less deep. The path is part of the answer, and a body has room for 200,000 arrays in each other. */
const MOST_STEPS = 32;

const pathOf = (open: readonly Open[], path: string) =>
  open
    .slice(0, MOST_STEPS)
    .reduce((at, { number, key, index }) => (number > 0 ? memberPath(at, key) : itemPath(at, index)), path);

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

/** Also for a body so large that it isn't looked at: of what may stand in a query, only a filter can have made it so. */
export const tooLong = (path: string) => problem(path, "must have at most 64 KiB.");
