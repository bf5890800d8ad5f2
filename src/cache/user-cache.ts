import { LRUCache } from "lru-cache";

/** One variant of a user as it goes out. */
export interface ReadyUser {
  kind: "live";
  /** The JSON text, in UTF-8. */
  body: Buffer<ArrayBuffer>;
  etag: string;
}

/** Which form of a user is served depends on what its reader may see. */
export type Variant = "public" | "private";

/** A read of Postgres that is under way and whose result may be kept. */
export interface Flight {
  /**
   * Keeps the result, unless the user has changed since the read began. Then nothing is kept, as if there were no
   * cache.
   */
  keep(variant: Variant, make: () => ReadyUser): void;
  /** Must be called, however the read ended. */
  end(): void;
}

export interface UserCache {
  /** The user as Postgres would answer it now, or undefined: then ask Postgres. */
  get(id: string, variant: Variant): ReadyUser | undefined;
  /** Call it before you ask Postgres. */
  begin(id: string): Flight;
  /** Forgets these users, or all of them. Nothing that was read before this call is served after it. */
  invalidate(ids: Iterable<string> | "all"): void;
  stats(): CacheStats;
}

export interface CacheStats {
  /** False while other processes' commits aren't heard of. Then every read goes to Postgres. */
  in_use: boolean;
  entries: number;
  bytes: number;
  max_bytes: number;
  hits: number;
  misses: number;
}

export interface UserCacheOptions {
  maxBytes: number;
  /** Whether every commit of any process is heard of, sooner or later. */
  isCurrent: () => boolean;
}

/** What an entry takes beside its body: the key, the etag, and its places in the list and the map. */
const ENTRY_BYTES = 300;

interface Shared {
  isCurrent: boolean;
  flights: number;
}

/**
 * Keeps the users that were read last, as they are sent, outside the heap that the garbage collector searches. A
 * stale user is served for no longer than a notification takes: a process that commits a change drops its users here
 * before it answers, and the other processes drop them when Postgres notifies them.
 */
export function createUserCache({ maxBytes, isCurrent }: UserCacheOptions): UserCache {
  const entries = maxBytes > 0 ? new LRUCache<string, ReadyUser>({ maxSize: maxBytes }) : null;
  /** Reads under way by user id, so that a change finds those that began before it. */
  const flying = new Map<string, Shared>();
  let hits = 0;
  let misses = 0;

  function get(id: string, variant: Variant): ReadyUser | undefined {
    if (!entries || !isCurrent()) return undefined;
    const user = entries.get(keyOf(id, variant));
    if (user) hits++;
    else misses++;
    return user;
  }

  function begin(id: string): Flight {
    if (!entries || !isCurrent()) return NOT_KEPT;
    const shared = flying.get(id) ?? { isCurrent: true, flights: 0 };
    flying.set(id, shared);
    shared.flights++;
    return {
      keep(variant, make) {
        if (!shared.isCurrent) return;
        const user = make();
        entries.set(keyOf(id, variant), user, { size: user.body.byteLength + ENTRY_BYTES });
      },
      end() {
        if (--shared.flights === 0 && flying.get(id) === shared) flying.delete(id);
      },
    };
  }

  function invalidate(ids: Iterable<string> | "all"): void {
    if (!entries) return;
    if (ids === "all") {
      entries.clear();
      for (const shared of flying.values()) shared.isCurrent = false;
      flying.clear();
      return;
    }
    for (const id of ids) {
      entries.delete(keyOf(id, "public"));
      entries.delete(keyOf(id, "private"));
      const shared = flying.get(id);
      if (!shared) continue;
      shared.isCurrent = false;
      flying.delete(id);
    }
  }

  const stats = (): CacheStats => ({
    in_use: entries !== null && isCurrent(),
    entries: entries?.size ?? 0,
    bytes: entries?.calculatedSize ?? 0,
    max_bytes: maxBytes,
    hits,
    misses,
  });

  return { get, begin, invalidate, stats };
}

const NOT_KEPT: Flight = { keep: () => {}, end: () => {} };

const keyOf = (id: string, variant: Variant) => (variant === "public" ? id : `${id}\n`);

/** A cache that keeps nothing, for commands and tests. */
export const noCache = createUserCache({ maxBytes: 0, isCurrent: () => false });
