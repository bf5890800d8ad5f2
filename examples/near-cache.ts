/**
 * A near-cache for a hot path: users by id from this process's own memory, at most as old as the change feed is late.
 *
 *     MIRROR_URL=http://127.0.0.1:8787 MIRROR_API_KEY=um_… npx tsx examples/near-cache.ts user_1 user_2 …
 *
 * The key needs the scopes users:read and changes:read.
 */
import { createMirrorClient, type MirrorClient, type User } from "user-mirror/client";

export interface NearCache {
  /** Null: there is no such user. */
  get(id: string): Promise<User | null>;
  size(): number;
}

/** At most `most` users are kept. Until the signal aborts, what changes is forgotten as soon as the feed tells of it. */
export async function createNearCache(
  mirror: MirrorClient,
  { most, signal }: { most: number; signal: AbortSignal },
): Promise<NearCache> {
  const kept = new Map<string, User>();
  // Raised by whatever may make an answer old that is under way.
  let version = 0;
  const forget = (id?: string) => {
    version++;
    if (id === undefined) kept.clear();
    else kept.delete(id);
  };

  async function follow(after: string): Promise<void> {
    for await (const { type, id } of mirror.changes({ after, types: ["user"], signal })) {
      if (type.startsWith("user.")) forget(id);
    }
  }

  // Where the feed stands before anything is kept. When it is lost nothing is kept any more: slower, and still right.
  const { changesCursor } = await mirror.users.query({ limit: 1, fields: ["id"] });
  let isFollowing = true;
  follow(changesCursor).catch(() => {
    isFollowing = false;
    forget();
  });

  return {
    size: () => kept.size,
    async get(id) {
      const known = kept.get(id);
      if (known) return known;
      const asked = version;
      const [user = null] = await mirror.users.lookup({ by: "id", keys: [id] });
      if (user && isFollowing && asked === version) {
        kept.set(id, user);
        const oldest = kept.keys().next().value;
        if (kept.size > most && oldest !== undefined) kept.delete(oldest);
      }
      return user;
    },
  };
}

if (import.meta.url === `file://${process.argv[1]}`) {
  const { MIRROR_URL = "http://127.0.0.1:8787", MIRROR_API_KEY = "" } = process.env;
  const stop = new AbortController();
  const cache = await createNearCache(createMirrorClient({ baseUrl: MIRROR_URL, apiKey: MIRROR_API_KEY }), {
    ...{ most: 10_000, signal: stop.signal },
  });
  for (const round of ["from the mirror", "from memory"]) {
    for (const id of process.argv.slice(2)) {
      const startedAtMs = performance.now();
      // Nobody is kept of whom the mirror knows nothing.
      const user = await cache.get(id);
      const ms = (performance.now() - startedAtMs).toFixed(3);
      console.log(
        `${id}: ${user ? `${user.first_name ?? "no first name"}, ${round}` : "unknown, from the mirror"}, ${ms} ms`,
      );
    }
  }
  stop.abort();
}
