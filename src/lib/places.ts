import { AppError } from "./errors.js";
import { createTally } from "./tally.js";

/**
 * Takes a place in each of these groups, which have so many places each. Nobody waits for one: throws what `refusal` makes of the
 * first group that is full. Returns how to leave.
 */
export type Enter = (groups: ReadonlyMap<string, number>, refusal: (group: string) => AppError) => () => void;

/** Counts who is inside, by groups. */
export function countByGroups(): Enter {
  const taken = createTally();
  return (groups, refusal) => {
    for (const [group, most] of groups) if (taken.of(group) >= most) throw refusal(group);
    for (const group of groups.keys()) taken.add(group, 1);
    let isInside = true;
    return () => {
      if (!isInside) return;
      isInside = false;
      for (const group of groups.keys()) taken.add(group, -1);
    };
  };
}

/** Places for work that lasts. Who finds none is told to come back. */
export interface Places {
  /** Returns how to leave. Throws `overloaded` if all places are taken, or this key has its share of them. */
  enter(key: string): () => void;
}

export interface PlacesOptions {
  most: number;
  mostOfOneKey: number;
  /** What is done there, in the plural. */
  what: string;
  retryAfterSeconds: number;
}

export function createPlaces({ most, mostOfOneKey, what, retryAfterSeconds }: PlacesOptions): Places {
  const enter = countByGroups();
  const refusal = (group: string) => {
    const reason =
      group === "all"
        ? `${most} ${what} are under way`
        : `${mostOfOneKey} ${what} with this key are under way`;
    return new AppError("overloaded", "The mirror has more to do than it can.", {
      longMessage: `${reason}, which is as many as there may be. Try again later.`,
      retryAfterSeconds,
    });
  };
  return { enter: (key) => enter(new Map([["all", most]]).set(`key ${key}`, mostOfOneKey), refusal) };
}
