import { sqlText } from "../lib/text.js";

/** How `JSON.stringify` spells what jsonb refuses: U+0000 and surrogates without their other half. */
const UNSAFE = /\\u(0000|d[89a-f])/;

/** jsonb's parser recurses: a document nested deeper than this could exhaust the server's stack. */
const MAX_DEPTH = 1000;

/** The value as JSON that jsonb takes: what it can't hold became U+FFFD, and what is nested too deep null. */
export function safeJson(value: unknown): string {
  return safeText(JSON.stringify(value), value) ?? JSON.stringify(value);
}

/** The same for a text that is at hand; null when the text is safe as it is. */
export function safeText(json: string, value: unknown): string | null {
  return UNSAFE.test(json) || tooDeep(value, 0) ? JSON.stringify(clean(value, 0)) : null;
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
