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

/** What Clerk said about one user, as JSON values; `stored`: it was not asked, somebody else was faster. */
export type ReadThroughAnswer =
  | { kind: "live"; object: Record<string, unknown> }
  | { kind: "gone" }
  | { kind: "stored" };

export interface ReadThrough {
  /**
   * Asks Clerk about one user, stores the answer unless a lock keeps it, and returns it; those who ask at the same time share one request.
   * A 404 stores nothing and is remembered for ten seconds: ask only about users that the mirror doesn't hold, for then
   * whatever brings one ends that memory. Rejects when Clerk can't answer.
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
    // Whoever asks looked here before, but maybe just before the flight that ended a moment ago.
    const [stored] = await sql`
      select from mirror_data.users where id = ${id} and (payload is not null or deleted_at is not null)`;
    if (stored) return { kind: "stored" };
    if (absent.has(id)) return { kind: "gone" };
    const answer = await api.getUser(id, { priority: "read", key });
    if (answer.kind === "gone") {
      // No id of Clerk's is longer, and whoever makes one up must not fill memory with it.
      if (id.length <= LONGEST_ID) absent.set(id, true);
      return { kind: "gone" };
    }
    const object = answer.object as Record<string, unknown>;
    try {
      const users = [userSnapshot(object, "read", answer.startedAtMs)];
      await applyItems(sql, [{ users }], { lagMs, onCommitted, lockTimeoutMs: LOCK_TIMEOUT_MS });
    } catch (error) {
      // Whoever holds it may be bringing this very user; the answer needn't wait for that.
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
