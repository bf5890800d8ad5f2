import { randomBytes } from "node:crypto";
import { LRUCache } from "lru-cache";
import type { ApiKey } from "../db/api-keys.js";
import { AppError } from "../lib/errors.js";
import { createPointReads } from "../lib/point-reads.js";
import { type Authenticate, bearerToken, digestOf, type Principal, unknownKey } from "./keys.js";
import { createLimiter, DEFAULT_LIMITS, type Limiter } from "./limits.js";
import { SCOPES, type Scope } from "./scopes.js";

/** What a key that the mirror made begins with. */
const PREFIX = "um_";
/** Nothing else is a key that the mirror made: it is refused without asking. */
const MADE_HERE = /^um_[\w-]{43}$/;
/**
 * A revocation is effective within a second: what was verified is believed for half of one. So is that a key is unknown;
 * a new one is known from its first request on, for nobody can have asked for it before it was made.
 */
const FRESH_MS = 500;
/** While the database is away, keys verified within this time go on. */
const GRACE_MS = 300_000;
const MOST_KEPT = 10_000;
/** Unknown keys that wait to be looked up, 32 at a time. */
const MOST_WAITING = 1000;

/** The keys that `keys create` made. */
export interface StoredKeys {
  /**
   * Null: no such key. Rejects with `database_unavailable` where nobody can tell, and with `overloaded` where too many
   * unknown ones are asked for.
   */
  principalOf(token: string): Promise<Principal | null>;
}

interface Verified {
  principal: Principal;
  atMs: number;
}

export function createStoredKeys(options: {
  /** By digest, those that are in use. */
  findMany: (digests: readonly string[]) => Promise<Map<string, ApiKey>>;
  now?: () => number;
}): StoredKeys {
  const { findMany, now = () => performance.now() } = options;
  // Apart, so that whoever tries keys neither drives out those that were verified nor makes them wait.
  const known = new LRUCache<string, Verified>({ max: MOST_KEPT });
  const unknown = new LRUCache<string, number>({ max: MOST_KEPT });
  const findKnown = createPointReads(findMany);
  const findUnknown = createPointReads(findMany, { mostWaiting: MOST_WAITING });
  const asking = new Map<string, Promise<Principal | null>>();
  /** By the key's id: what it used is remembered from one verification to the next. */
  const limiters = new LRUCache<string, Limiter>({ max: MOST_KEPT });

  async function verify(digest: string): Promise<Principal | null> {
    const askedAtMs = now();
    const before = known.get(digest);
    try {
      const key = await (before ? findKnown : findUnknown)(digest);
      if (key) {
        const principal = principalFor(key);
        known.set(digest, { principal, atMs: askedAtMs });
        return principal;
      }
      known.delete(digest);
      unknown.set(digest, askedAtMs);
      return null;
    } catch (cause) {
      if (cause instanceof AppError && cause.code === "overloaded") throw cause;
      if (before && now() - before.atMs <= GRACE_MS) return before.principal;
      throw new AppError("database_unavailable", "Keys can't be verified: the database can't be reached.", {
        cause,
      });
    }
  }

  function principalFor({ id, name, scopes, rate, inFlight }: ApiKey): Principal {
    let limiter = limiters.get(id);
    if (!limiter) {
      const limits = { rate: rate ?? DEFAULT_LIMITS.rate, inFlight: inFlight ?? DEFAULT_LIMITS.inFlight };
      limiter = createLimiter(limits, now);
      limiters.set(id, limiter);
    }
    return { name, scopes: new Set(scopes.filter(isScope)), limiter };
  }

  return {
    principalOf(token) {
      const digest = digestOf(token).toString("hex");
      const verified = known.get(digest);
      if (verified && now() - verified.atMs < FRESH_MS) return Promise.resolve(verified.principal);
      const refusedAtMs = unknown.get(digest);
      if (refusedAtMs !== undefined && now() - refusedAtMs < FRESH_MS) return Promise.resolve(null);
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
      if (!MADE_HERE.test(token)) throw error;
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
