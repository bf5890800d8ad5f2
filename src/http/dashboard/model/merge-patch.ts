type Json = Record<string, unknown>;

/**
 * What must be merged into `before` (RFC 7386, as Clerk merges metadata) to make `after` of it: only what differs, so that whatever
 * else was changed meanwhile stays. A key that is gone is null there, and so is one whose value became null.
 */
export function mergePatchOf(before: Json, after: Json): Json {
  const changed = Object.entries(after).flatMap(([key, value]): [string, unknown][] => {
    const earlier = Object.hasOwn(before, key) ? before[key] : undefined;
    if (JSON.stringify(earlier) === JSON.stringify(value)) return [];
    return [[key, isObject(earlier) && isObject(value) ? mergePatchOf(earlier, value) : value]];
  });
  const gone = Object.keys(before).flatMap((key): [string, null][] =>
    Object.hasOwn(after, key) ? [] : [[key, null]],
  );
  return Object.fromEntries([...changed, ...gone]);
}

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);
