import { hidePrivateMetadata } from "../../lib/private-metadata.js";
import { sqlText } from "../../lib/text.js";

/** How `JSON.stringify` writes the characters that jsonb refuses: U+0000 and lone surrogates. Few texts have any escape at all. */
const UNSAFE = /\\u(0000|d[89a-f])/;
const isUnsafe = (json: string) => json.includes("\\u") && UNSAFE.test(json);

/** jsonb's parser is recursive, so a document that is nested deeper than this could exhaust the server's stack. */
const MAX_DEPTH = 1000;

/** Every payload with private metadata, at any depth, contains this text. The views search for it too. */
export const MAY_BE_PRIVATE = '"private_metadata"';

/**
 * What the SQL views show instead of a payload: without the private metadata inside it, and in a form that jsonb accepts. Null
 * if that is the payload itself.
 */
export function shownInSql(payload: string, readValue: () => unknown): string | null {
  if (!payload.includes(MAY_BE_PRIVATE)) return safeText(payload, readValue);
  return safeJson(hidePrivateMetadata(readValue()));
}

/** The value as JSON that jsonb accepts: characters that it refuses become U+FFFD, and values that are nested too deep null. */
export function safeJson(value: unknown): string {
  const json = JSON.stringify(value);
  return safeText(json, () => value) ?? json;
}

/** The same for a value whose JSON is known already. Null if that JSON is safe as it is. */
function safeText(json: string, readValue: () => unknown): string | null {
  if (!isUnsafe(json) && !(mayBeDeep(json) && tooDeep(readValue(), 0))) return null;
  return JSON.stringify(clean(readValue(), 0));
}

/** Whether there are enough brackets for it. Walking each value instead would cost more than everything else done here. */
function mayBeDeep(json: string): boolean {
  if (json.length < 2 * MAX_DEPTH) return false;
  let brackets = 0;
  for (const bracket of ["{", "["]) {
    for (let at = json.indexOf(bracket); at !== -1; at = json.indexOf(bracket, at + 1)) brackets++;
  }
  return brackets >= MAX_DEPTH;
}

function tooDeep(value: unknown, depth: number): boolean {
  if (value === null || typeof value !== "object") return false;
  if (depth >= MAX_DEPTH) return true;
  for (const inner of Array.isArray(value) ? value : Object.values(value)) {
    if (tooDeep(inner, depth + 1)) return true;
  }
  return false;
}

function clean(value: unknown, depth: number): unknown {
  if (typeof value === "string") return sqlText(value);
  if (value === null || typeof value !== "object") return value;
  if (depth >= MAX_DEPTH) return null;
  if (Array.isArray(value)) return value.map((inner) => clean(inner, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [sqlText(key), clean(inner, depth + 1)]),
  );
}
