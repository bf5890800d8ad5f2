import { readCounters } from "../changes/counters.js";
import type { Sql } from "../db/connection/sql.js";
import { readQuotaUse } from "../db/quota-store.js";
import { endsWithin, shareNextRun } from "../lib/async.js";
import type { DatabaseState } from "../observability/state-metrics.js";

/** Whoever reads metrics has a deadline of their own, of ten seconds with Prometheus. */
const PATIENCE_MS = 2000;

/**
 * Reads what the metrics tell of the database. `null` where it doesn't answer in time. However many ask at once, it is asked
 * twice at most.
 */
export function createDatabaseStateReader(
  sql: Sql,
  guard: <T>(work: () => Promise<T>) => Promise<T>,
): () => Promise<DatabaseState | null> {
  const read = shareNextRun(async (): Promise<DatabaseState> => {
    const [counters, [waiting], { limit, used, paused_until }] = await Promise.all([
      readCounters(sql),
      sql<{ dead_letters: number; refetches: number }[]>`
        select (select count(*) from mirror_data.dead_letters) as dead_letters,
          (select count(*) from mirror_data.refetches) as refetches`,
      readQuotaUse(sql),
    ]);
    return {
      users: counters.users,
      organizations: counters.organizations,
      deadLetters: waiting?.dead_letters ?? 0,
      refetches: waiting?.refetches ?? 0,
      budget: { limit, used, isPaused: paused_until !== null },
    };
  });
  return async () => {
    const asked = guard(read);
    const isTold = await endsWithin(asked, PATIENCE_MS).catch(() => false);
    if (isTold) return asked;
    asked.catch(() => {});
    return null;
  };
}
