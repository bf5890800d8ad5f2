import { LRUCache } from "lru-cache";
import type { Sql } from "../../db/connection/sql.js";
import { isLockTimeout } from "../../db/connection/trouble.js";
import { type Asker, OURSELVES } from "../../lib/shares.js";
import type { ClerkApi } from "../../upstream/users.js";
import { applyItems } from "../apply/apply.js";
import type { OnCommitted } from "../apply/batch.js";
import { isPoison } from "../apply/isolate.js";
import { userSnapshot } from "../fold/snapshot.js";
import { keepDeadObject } from "../ledger/dead-letters.js";

/**
 * What Clerk said about one user, as JSON values. `stored`: Clerk wasn't asked, because another request was faster.
 */
export type ReadThroughAnswer =
  | { kind: "live"; object: Record<string, unknown> }
  | { kind: "gone" }
  | { kind: "stored" };

export interface ReadThrough {
  /**
   * Asks Clerk about one user, stores the answer unless a lock prevents that, and returns it. Callers that ask at the
   * same time share one request. A 404 stores nothing and is remembered for ten seconds. So ask only about users that
   * the mirror doesn't hold: whatever brings such a user ends that memory. Rejects if Clerk can't answer.
   */
  user(id: string, asker?: Asker): Promise<ReadThroughAnswer>;
}

export interface ReadThroughDeps {
  sql: Sql;
  api: Pick<ClerkApi, "getUser">;
  lagMs: number;
  onCommitted?: OnCommitted;
}

const LOCK_TIMEOUT_MS = 250;

const LONGEST_ID = 200;

/** How long Clerk's 404 is believed, and for how many ids. */
const ABSENT = { ttl: 10_000, max: 10_000 };

export function createReadThrough({ sql, api, lagMs, onCommitted }: ReadThroughDeps): ReadThrough {
  const absent = new LRUCache<string, true>(ABSENT);
  const flights = new Map<string, Promise<ReadThroughAnswer>>();

  async function ask(id: string, key: string): Promise<ReadThroughAnswer> {
    // The caller has looked here before, but perhaps just before the request that ended a moment ago.
    const [stored] = await sql`
      select from mirror_data.users where id = ${id} and (payload is not null or deleted_at is not null)`;
    if (stored) return { kind: "stored" };
    if (absent.has(id)) return { kind: "gone" };
    const answer = await api.getUser(id, { priority: "read", key });
    if (answer.kind === "gone") {
      // No id of Clerk's is longer, and a caller who invents one must not fill the memory with it.
      if (id.length <= LONGEST_ID) absent.set(id, true);
      return { kind: "gone" };
    }
    const object = answer.object as Record<string, unknown>;
    try {
      const users = [userSnapshot(object, "read", answer.startedAtMs)];
      await applyItems(sql, [{ users }], { lagMs, onCommitted, lockTimeoutMs: LOCK_TIMEOUT_MS });
    } catch (error) {
      // The session that holds the row may be storing this very user, and the answer needn't wait for that.
      if (isLockTimeout(error)) return { kind: "live", object };
      if (!isPoison(error)) throw error;
      await keepDeadObject(sql, { kind: "user", id }, object, error);
    }
    return { kind: "live", object };
  }

  return {
    user(id, { key } = OURSELVES) {
      const running = flights.get(id);
      if (running) return running;
      const flight = ask(id, key).finally(() => flights.delete(id));
      flights.set(id, flight);
      return flight;
    },
  };
}
