import type { Sql } from "../../db/connection/sql.js";
import { backoffMs, sleep } from "../../lib/async.js";
import { runLoop } from "../../lib/loop.js";
import type { Logger } from "../../observability/logger.js";
import { markStoredDays } from "../ledger/activity-history.js";

/** Marks the days that stored times tell of, after the history of activity was turned on. */
export interface HistoryMarking {
  /** Begins at the start, and goes on where an earlier process was interrupted. Until aborted; never fails. */
  run(signal: AbortSignal): Promise<void>;
}

/** Another process may turn the history on. */
const INTERVAL_MS = 600_000;
const RETRY_MS = { first: 1000, longest: 600_000 };
/** Between two batches, so that those who commit changes have the feed for most of the time. */
const PAUSE_MS = 50;

export function createHistoryMarking({ sql, log }: { sql: Sql; log: Logger }): HistoryMarking {
  async function markAll(signal: AbortSignal): Promise<void> {
    for (let batches = 0; !signal.aborted; batches++) {
      if (batches === 1)
        log.info("the days on which users were active are marked, from their last visits on");
      if (!(await markStoredDays(sql))) {
        if (batches > 0) log.info("the days on which users were active are marked");
        return;
      }
      await sleep(PAUSE_MS, signal).catch(() => {});
    }
  }

  const run = (signal: AbortSignal) =>
    runLoop({
      ...{ signal, step: markAll, startsWith: "step" },
      pauseMs: (failures) =>
        failures === 0 ? INTERVAL_MS : backoffMs(failures, RETRY_MS.first, RETRY_MS.longest),
      onFailure: (error) =>
        log.warn({ err: error }, "days of activity could not be marked: that is tried again"),
    });

  return { run };
}
