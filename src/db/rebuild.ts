import { NOTIFY_CHANNEL, type Sql } from "./client.js";
import { ensureSearchIndex } from "./search-index.js";

/** All that comes from Clerk, and what is known about how complete it is. Keys stay, as does the feed's numbering. */
const TABLES = [
  "users user_search user_grams user_activity user_metadata user_identifiers organizations organization_memberships",
  "deliveries delivery_counts dead_letters refetches upstream runs windows changes",
].flatMap((row) => row.split(" "));

/**
 * Empties the mirror, and forgets which Clerk it held, in one transaction. What reads it meanwhile is answered by Clerk
 * until the next backfill has ended.
 */
export async function emptyMirror(sql: Sql): Promise<void> {
  await sql.begin(async (tx) => {
    await tx.unsafe(`truncate ${TABLES.map((table) => `mirror_data.${table}`).join(", ")}`);
    await tx`update mirror_data.counters set n = 0`;
    await ensureSearchIndex(tx);
    await tx`select pg_notify(${NOTIFY_CHANNEL}, '*')`;
  });
}
