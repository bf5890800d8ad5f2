import { NOTIFY_CHANNEL } from "../connection/client.js";
import { limitLocks } from "../connection/session.js";
import type { Sql } from "../connection/sql.js";
import { GROWING_TABLES } from "../tables/registry.js";
import { betweenLocks } from "./migration-locks.js";
import { createSearchIndex } from "./search-index.js";

/** All that comes from Clerk, and what is known about how complete it is. Keys stay, as does the feed's numbering. */
const EMPTIED = [...Object.keys(GROWING_TABLES), "delivery_counts", "upstream"];

/** All of them are needed at once; whoever uses one waits for no longer than this behind us. */
const LOCK_TIMEOUT_MS = 500;
const PATIENCE = { ms: 60_000, retryMs: 1000, onWait: () => {} };

/**
 * Empties the mirror, and forgets which Clerk it held, in one transaction. What reads it meanwhile is answered by Clerk
 * until the next backfill has ended. Throws `database_unavailable` naming who uses a table for too long.
 */
export async function emptyMirror(sql: Sql): Promise<void> {
  await betweenLocks(sql, PATIENCE, () =>
    sql.begin(async (tx) => {
      limitLocks(tx, LOCK_TIMEOUT_MS);
      await tx.unsafe(`truncate ${EMPTIED.map((table) => `mirror_data.${table}`).join(", ")}`);
      await tx`update mirror_data.counters set n = 0`;
      await createSearchIndex(tx);
      await tx`select pg_notify(${NOTIFY_CHANNEL}, '*')`;
    }),
  );
}
