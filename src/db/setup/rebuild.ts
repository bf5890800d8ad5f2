import { NOTIFY_CHANNEL } from "../connection/client.js";
import { limitLocks } from "../connection/session.js";
import type { Sql, Tx } from "../connection/sql.js";
import { GROWING_TABLES } from "../tables/registry.js";
import { betweenLocks } from "./migration-locks.js";
import { createPutOffIndexes, createSearchIndex } from "./search-index.js";

/**
 * Everything that comes from Clerk, and what is known about how complete it is. Keys stay, and so does the feed's
 * numbering.
 */
const EMPTIED = [...Object.keys(GROWING_TABLES), "delivery_counts", "upstream"];

/** Puts aside what must outlive it, and returns what puts it back, all in one transaction. */
export type Keep = (tx: Tx) => Promise<() => Promise<unknown>>;

const keepNothing: Keep = async () => async () => {};

/** All tables are locked at once. Nobody waits behind that for longer than this. */
const LOCK_TIMEOUT_MS = 500;
const PATIENCE = { ms: 60_000, retryMs: 1000, onWait: () => {} };

/**
 * Empties the mirror, and forgets which Clerk it held, in one transaction. Until the next backfill has ended, Clerk
 * answers reads. Throws `database_unavailable`, naming the session that has used a table for too long.
 */
export async function emptyMirror(sql: Sql, keep: Keep = keepNothing): Promise<void> {
  await betweenLocks(sql, PATIENCE, () =>
    sql.begin(async (tx) => {
      limitLocks(tx, LOCK_TIMEOUT_MS);
      const putBack = await keep(tx);
      await tx.unsafe(`truncate ${EMPTIED.map((table) => `mirror_data.${table}`).join(", ")}`);
      await putBack();
      await tx`update mirror_data.counters set n = 0`;
      await createSearchIndex(tx);
      await createPutOffIndexes(tx);
      await tx`select pg_notify(${NOTIFY_CHANNEL}, '*')`;
    }),
  );
}
