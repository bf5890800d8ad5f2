import { badParam } from "./failure.js";
import type { Json } from "./types.js";

export const METADATA = ["public_metadata", "private_metadata", "unsafe_metadata"] as const;

const MOST_BYTES = 8 * 1024;

/** Merges objects at every depth. Null deletes a key, any other value replaces it. */
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

/** Works for the key `__proto__` too, for which an assignment would not create a property. */
const PLAIN = { configurable: true, enumerable: true, writable: true };

/** The value of a metadata parameter. Throws Clerk's answer when Clerk would refuse it. */
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
