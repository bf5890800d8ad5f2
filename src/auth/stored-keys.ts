import { randomBytes } from "node:crypto";
import { LRUCache } from "lru-cache";
import type { ApiKey } from "../db/api-keys.js";
import { AppError } from "../lib/errors.js";
import { createPointReads } from "../lib/point-reads.js";
import { type Authenticate, bearerToken, digestOf, type Principal, unknownKey } from "./keys.js";
import { createLimiter, DEFAULT_LIMITS, type Limiter } from "./limits.js";
import { SCOPES, type Scope } from "./scopes.js";

/** How every key that the mirror makes begins. */
const PREFIX = "um_";
/** The shape of a key that the mirror made. Anything else is refused without asking the database. */
const MADE_HERE = /^um_[\w-]{43}$/;
/**
 * How long a verified key is trusted without asking again: a revocation takes effect within a second. An unknown key
 * is remembered as unknown for the same time. A new key is still known from its first request on, because nobody can
 * have asked for it before it was made.
 */
const FRESH_MS = 500;
/** While the database is away, keys that were verified within this time stay valid. */
const GRACE_MS = 300_000;
const MOST_KEPT = 10_000;
/** How many unknown keys may wait to be looked up; 32 are looked up at a time. */
const MOST_WAITING = 1000;

/** The keys that `keys create` made. */
export interface StoredKeys {
  /**
   * Null if there is no such key. Rejects with `database_unavailable` if nobody can tell, and with `overloaded` if
   * too many unknown keys wait to be looked up.
   */
  principalOf(token: string): Promise<Principal | null>;
}

interface Verified {
  principal: Principal;
  atMs: number;
}

export function createStoredKeys(options: {
  /** The keys in use, by digest. */
  findMany: (digests: readonly string[]) => Promise<Map<string, ApiKey>>;
  /** Told of each key that is used, at most twice a second. */
  onUsed?: (id: string) => void;
  now?: () => number;
}): StoredKeys {
  const { findMany, onUsed = () => {}, now = () => performance.now() } = options;
  // Unknown keys are kept apart, so that somebody who guesses keys neither evicts verified ones nor makes them wait.
  const known = new LRUCache<string, Verified>({ max: MOST_KEPT });
  const unknown = new LRUCache<string, number>({ max: MOST_KEPT });
  const findKnown = createPointReads(findMany);
  const findUnknown = createPointReads(findMany, { mostWaiting: MOST_WAITING });
  const asking = new Map<string, Promise<Principal | null>>();
  /** Limits by the key's id, so that what a key has used survives its next verification. */
  const limiters = new LRUCache<string, Limiter>({ max: MOST_KEPT });

  async function verify(digest: string): Promise<Principal | null> {
    const askedAtMs = now();
    const before = known.get(digest);
    try {
      const key = await (before ? findKnown : findUnknown)(digest);
      if (key) {
        const principal = principalFor(key);
        onUsed(key.id);
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
    return { id, name, scopes: new Set(scopes.filter(isScope)), limiter };
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

/** Tries the keys of the environment first, because they need no database, then the stored ones. */
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

/** A new key, and the part of it that is stored. */
export function newKey(): { key: string; id: string; digest: string } {
  const key = `${PREFIX}${randomBytes(32).toString("base64url")}`;
  return { key, id: `key_${randomBytes(8).toString("hex")}`, digest: digestOf(key).toString("hex") };
}

export function isScope(name: string): name is Scope {
  return SCOPES.some((scope) => scope === name);
}
