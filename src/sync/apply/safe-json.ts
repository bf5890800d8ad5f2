import { hidePrivateMetadata } from "../../lib/private-metadata.js";
import { sqlText } from "../../lib/text.js";

/** How `JSON.stringify` spells what jsonb refuses: U+0000 and surrogates without their other half. */
const UNSAFE = /\\u(0000|d[89a-f])/;

/** jsonb's parser recurses: a document nested deeper than this could exhaust the server's stack. */
const MAX_DEPTH = 1000;

/** In every payload that holds private metadata, at whatever depth; the views look for it too. */
export const MAY_BE_PRIVATE = '"private_metadata"';

/**
 * What the SQL views show in place of a payload: without what is private inside of it, and as jsonb takes it; null where
 * that is the payload itself.
 */
export function shownInSql(payload: string, readValue: () => unknown): string | null {
  if (!payload.includes(MAY_BE_PRIVATE)) return safeText(payload, readValue);
  return safeJson(hidePrivateMetadata(readValue()));
}

/** The value as JSON that jsonb takes: what it can't hold became U+FFFD, and what is nested too deep null. */
export function safeJson(value: unknown): string {
  const json = JSON.stringify(value);
  return safeText(json, () => value) ?? json;
}

/** The same for a text that is at hand, and the value it spells; null when the text is safe as it is. */
function safeText(json: string, readValue: () => unknown): string | null {
  if (!UNSAFE.test(json) && !(mayBeDeep(json) && tooDeep(readValue(), 0))) return null;
  return JSON.stringify(clean(readValue(), 0));
}

/** Whether there are as many brackets as it takes: walking every value costs more than all else that is done to it. */
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
