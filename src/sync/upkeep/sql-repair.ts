import type { Sql } from "../../db/connection/sql.js";
import { sleep } from "../../lib/async.js";
import { runLoop } from "../../lib/loop.js";
import type { Logger } from "../../observability/logger.js";
import { MAY_BE_PRIVATE, shownInSql } from "../apply/safe-json.js";

/**
 * Rewrites what the SQL views show of rows that an earlier version wrote, which hid private metadata only at the top.
 */
export interface SqlRepair {
  /** Goes through every row once, a page at a time, and returns how many it repaired. Repeating is safe. */
  repair(signal?: AbortSignal): Promise<number>;
  /**
   * Runs at the start and once a day, because an old process may write beside this one. Until aborted; never fails.
   */
  run(signal: AbortSignal): Promise<void>;
}

const TABLES = ["users", "organizations", "organization_memberships"] as const;
const PAGE = 500;
const INTERVAL_MS = 86_400_000;
const RETRY_MS = 600_000;
/** A pause between two pages, which take 5 ms each: a tenth of a core, for two minutes in a million users. */
const PAUSE_MS = 50;

export function createSqlRepair({ sql, log }: { sql: Sql; log: Logger }): SqlRepair {
  async function repair(signal?: AbortSignal): Promise<number> {
    let repaired = 0;
    for (const table of TABLES) {
      for (let after = ""; !signal?.aborted; ) {
        // Rows without anything private don't leave Postgres.
        const page = await sql<{ id: string; payload: string | null }[]>`
          select id, case when payload_safe is null and strpos(payload, ${MAY_BE_PRIVATE}) > 0 then payload end as payload
          from mirror_data.${sql(table)} where id > ${after} order by id limit ${PAGE}`;
        // Each row by itself: rows that are locked together, in whatever order, could deadlock with a batch.
        for (const { id, payload } of page) {
          if (payload === null) continue;
          const shown = shownInSql(payload, () => JSON.parse(payload));
          const { count } = await sql`
            update mirror_data.${sql(table)} set payload_safe = ${shown}
            where id = ${id} and payload = ${payload} and payload_safe is null`;
          repaired += count;
        }
        const last = page.at(-1);
        if (!last || page.length < PAGE) break;
        after = last.id;
        await sleep(PAUSE_MS, signal).catch(() => {});
      }
    }
    if (repaired > 0) log.info({ rows: repaired }, "hidden from SQL what is private inside of objects");
    return repaired;
  }

  const run = (signal: AbortSignal) =>
    runLoop({
      ...{ signal, step: repair, startsWith: "step" },
      pauseMs: (failures) => (failures === 0 ? INTERVAL_MS : RETRY_MS),
      onFailure: (error) =>
        log.warn({ err: error }, "old rows could not be looked through for private metadata"),
    });

  return { repair, run };
}
