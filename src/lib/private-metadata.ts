/** A copy of a parsed answer in which `private_metadata` is null at every depth. */
export function hidePrivateMetadata(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(hidePrivateMetadata);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      key === "private_metadata" ? null : hideBelow(key, inner),
    ]),
  );
}

/** Public and unsafe metadata belong to the user: a key in them that happens to have this name isn't hidden. */
function hideBelow(key: string, value: unknown): unknown {
  return key === "public_metadata" || key === "unsafe_metadata" ? value : hidePrivateMetadata(value);
}
