import { AppError } from "./errors.js";

/** Places for work that lasts. Nobody waits for one: who finds none is told to come back. */
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
  const taken = new Map<string, number>();
  let all = 0;
  return {
    enter(key) {
      const own = taken.get(key) ?? 0;
      if (all >= most || own >= mostOfOneKey) {
        const reason =
          all >= most
            ? `${most} ${what} are under way`
            : `${mostOfOneKey} ${what} with this key are under way`;
        throw new AppError("overloaded", "The mirror has more to do than it can.", {
          longMessage: `${reason}, which is as many as there may be. Try again later.`,
          retryAfterSeconds,
        });
      }
      all++;
      taken.set(key, own + 1);
      let isInside = true;
      return () => {
        if (!isInside) return;
        isInside = false;
        all--;
        const left = (taken.get(key) ?? 1) - 1;
        if (left > 0) taken.set(key, left);
        else taken.delete(key);
      };
    },
  };
}
