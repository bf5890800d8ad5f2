/** Counts by name. What counts zero takes no memory. */
export interface Tally {
  of(name: string): number;
  add(name: string, by: 1 | -1): void;
}

export function createTally(): Tally {
  const counts = new Map<string, number>();
  const of = (name: string) => counts.get(name) ?? 0;
  return {
    of,
    add(name, by) {
      const now = of(name) + by;
      if (now > 0) counts.set(name, now);
      else counts.delete(name);
    },
  };
}
