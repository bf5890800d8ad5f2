import type { AppError } from "../../lib/errors.js";
import { invalid } from "../clerk-params.js";

/** A 422 about what stands at this JSON path. `says` goes on after the path: "must be a text". */
export const problem = (path: string, says: string): AppError => invalid(path, `${path} ${says}`);

/** Keys are echoed in answers, so a path names at most this much of one. */
const MOST_KEY_CHARS = 256;

/** The path of an object's member. A key that is too long to be shown is spoken of by its object's path. */
export function memberPath(path: string, key: string): string {
  if (key.length > MOST_KEY_CHARS) return path;
  const step = PLAIN.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
  return path === "" && step.startsWith(".") ? key : path + step;
}

/** Names, and metadata paths as they are written: what is in quotes stays so. */
const PLAIN = /^[\p{L}\p{N}_$-]+(?:\.(?:[\p{L}\p{N}_$-]+|"(?:[^"\\]|\\["\\])*"))*$/u;

export const itemPath = (path: string, index: number) => `${path}[${index}]`;

/** What was given, in few words, however large it is. */
export function shown(value: unknown): string {
  if (typeof value === "string") {
    return value.length > 60 ? `${JSON.stringify(value.slice(0, 60))}…` : JSON.stringify(value);
  }
  if (Array.isArray(value)) return "an array";
  return typeof value === "object" && value !== null ? "an object" : String(value);
}

/** What is said of a name that is none of these: the nearest of them if it is close, else all. */
export function nearest(name: string, names: readonly string[]): string {
  const wanted = plain(name);
  const [best] = names
    .map((known) => ({ known, distance: distance(wanted, plain(known)) }))
    .sort((one, other) => one.distance - other.distance);
  const isClose = best !== undefined && best.distance <= Math.min(3, Math.floor(wanted.length / 3));
  return isClose ? `Did you mean ${best.known}?` : `It can be: ${names.join(", ")}.`;
}

/** Up to its first dot. `emailAddress` is `email_address` to who looks for the nearest name. */
const plain = (name: string) => (name.slice(0, 40).split(".", 1)[0] ?? "").toLowerCase().replaceAll("_", "");

/** How many characters must be put in, taken out, or replaced. */
function distance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, n) => n);
  for (let i = 1; i <= one.length; i++) {
    const next = [i];
    for (let j = 1; j <= other.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (one[i - 1] === other[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[other.length] ?? 0;
}
