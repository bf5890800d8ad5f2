import { randomBytes } from "node:crypto";
import { LRUCache } from "lru-cache";
import type { ApiKey } from "../db/api-keys.js";
import { AppError } from "../lib/errors.js";
import { type Authenticate, bearerToken, digestOf, type Principal, unknownKey } from "./keys.js";
import { SCOPES, type Scope } from "./scopes.js";

/** What a key that the mirror made begins with. */
const PREFIX = "um_";
/** A revocation is effective within a second: what was verified is believed for half of one. */
const FRESH_MS = 500;
/** While the database is away, keys verified within this time go on. */
const GRACE_MS = 300_000;
const MOST_KEPT = 10_000;

/** The keys that `keys create` made. */
export interface StoredKeys {
  /** Null: no such key. Rejects with `database_unavailable` where nobody can tell. */
  principalOf(token: string): Promise<Principal | null>;
}

interface Verified {
  principal: Principal | null;
  atMs: number;
}

export function createStoredKeys(options: {
  find: (digest: string) => Promise<ApiKey | null>;
  now?: () => number;
}): StoredKeys {
  const { find, now = () => performance.now() } = options;
  const known = new LRUCache<string, Verified>({ max: MOST_KEPT });
  const asking = new Map<string, Promise<Principal | null>>();

  async function verify(digest: string): Promise<Principal | null> {
    const askedAtMs = now();
    try {
      const key = await find(digest);
      const principal = key && { name: key.name, scopes: new Set(key.scopes.filter(isScope)) };
      known.set(digest, { principal, atMs: askedAtMs });
      return principal;
    } catch (cause) {
      const before = known.get(digest);
      if (before?.principal && now() - before.atMs <= GRACE_MS) return before.principal;
      throw new AppError("database_unavailable", "Keys can't be verified: the database can't be reached.", {
        cause,
      });
    }
  }

  return {
    principalOf(token) {
      const digest = digestOf(token).toString("hex");
      const verified = known.get(digest);
      if (verified && now() - verified.atMs < FRESH_MS) return Promise.resolve(verified.principal);
      const running = asking.get(digest);
      if (running) return running;
      const flight = verify(digest).finally(() => asking.delete(digest));
      asking.set(digest, flight);
      return flight;
    },
  };
}

/** The environment's keys first, which need no database; then the stored ones. */
export function withStoredKeys(
  environment: (authorization: string | null) => Principal,
  stored: StoredKeys,
): Authenticate {
  return (authorization) => {
    try {
      return environment(authorization);
    } catch (error) {
      if (!(error instanceof AppError && error.clerkCode === "clerk_key_invalid")) throw error;
      const token = bearerToken(authorization);
      if (!token.startsWith(PREFIX)) throw error;
      return stored.principalOf(token).then((principal) => {
        if (principal) return principal;
        throw unknownKey();
      });
    }
  };
}

/** A new key and what of it is stored. */
export function newKey(): { key: string; id: string; digest: string } {
  const key = `${PREFIX}${randomBytes(32).toString("base64url")}`;
  return { key, id: `key_${randomBytes(8).toString("hex")}`, digest: digestOf(key).toString("hex") };
}

export function isScope(name: string): name is Scope {
  return SCOPES.some((scope) => scope === name);
}
