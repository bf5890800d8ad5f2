import { badParam } from "./failure.js";
import type { Json } from "./types.js";

export const METADATA = ["public_metadata", "private_metadata", "unsafe_metadata"] as const;

const MOST_BYTES = 8 * 1024;

/** Objects are merged at every depth, null deletes a key, everything else replaces. */
export function merge(into: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const merged: Json = isObject(into) ? { ...into } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key];
    else
      Object.defineProperty(merged, key, {
        ...PLAIN,
        value: merge(Object.hasOwn(merged, key) ? merged[key] : {}, value),
      });
  }
  return merged;
}

/** A key may be called `__proto__`: assigning it would not make it one. */
const PLAIN = { configurable: true, enumerable: true, writable: true };

/** A metadata parameter's value; throws what Clerk answers for what it doesn't take. */
export function metadataParam(name: string, value: unknown): Json {
  if (!isObject(value)) throw badParam(name, "form_param_value_invalid", `${name} must be an object.`);
  const bytes = Buffer.byteLength(JSON.stringify(value));
  if (bytes <= MOST_BYTES) return value;
  throw badParam(
    name,
    "form_param_exceeds_allowed_size",
    `${name} is ${bytes} bytes; at most ${MOST_BYTES} are allowed.`,
  );
}

export function isObject(value: unknown): value is Json {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}
