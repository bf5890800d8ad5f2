/** The keys that are waited for, with the number of those who wait for each. */
export interface KeyCounts {
  add(keys: readonly string[]): void;
  remove(keys: readonly string[]): void;
  has(key: string): boolean;
  /** The keys of an item that are waited for. */
  known<T>(keysOf: (item: T) => readonly string[], item: T): string[];
}

export function createKeyCounts(): KeyCounts {
  const counts = new Map<string, number>();
  return {
    add(keys) {
      for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
    },
    remove(keys) {
      for (const key of keys) {
        const others = (counts.get(key) ?? 1) - 1;
        if (others > 0) counts.set(key, others);
        else counts.delete(key);
      }
    },
    has: (key) => counts.has(key),
    known: (keysOf, item) => (counts.size === 0 ? [] : keysOf(item).filter((key) => counts.has(key))),
  };
}
