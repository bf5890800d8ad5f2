import type { Primary } from "../../db/connection/client.js";
import { buildSearchIndex, hasSearchIndex } from "../../db/setup/search-index.js";
import { keepPlansFit } from "../../db/setup/statistics.js";
import { backoffMs } from "../../lib/async.js";
import { runLoop } from "../../lib/loop.js";
import type { Logger } from "../../observability/logger.js";

/** Keeps statistics and the search index in good order, whatever autovacuum and earlier attempts left undone. */
export interface Upkeep {
  /** Runs until aborted. Never fails. */
  run(signal: AbortSignal): Promise<void>;
}

const PLANS_MS = 10_000;
/** A build that fails has taken its minutes, so it is tried less and less often. */
const INDEX_MS = { first: 60_000, longest: 3_600_000 };

export interface UpkeepDeps {
  primary: Pick<Primary, "sql" | "unhurried">;
  log: Logger;
  everyMs?: { plans: number; index: { first: number; longest: number } };
}

export function createUpkeep({ primary, log, everyMs }: UpkeepDeps): Upkeep {
  const { plans, index } = everyMs ?? { plans: PLANS_MS, index: INDEX_MS };

  const keepPlans = (signal: AbortSignal) =>
    runLoop({
      ...{ signal, step: () => keepPlansFit(primary.sql), startsWith: "pause", pauseMs: plans },
      onFailure: ({ message }) => log.debug({ reason: message }, "plans could not be kept fit"),
    });

  /**
   * Makes the index if a build failed after a load, or if an earlier version left none. Before the first load has
   * ended there must be none.
   */
  async function makeIndex(): Promise<void> {
    const [upstream] = await primary.sql`
      select from mirror_data.upstream where backfilled_at is not null`;
    if (upstream && !(await hasSearchIndex(primary.sql))) {
      await primary.unhurried((own) => buildSearchIndex(own, "inTheBackground"));
    }
  }

  const keepIndex = (signal: AbortSignal) =>
    runLoop({
      ...{ signal, step: makeIndex, startsWith: "pause" },
      pauseMs: (failures) => backoffMs(failures, index.first, index.longest),
      onFailure: (error) =>
        log.warn({ err: error }, "the search index can't be made: it will be tried again"),
    });

  return {
    run: async (signal) => {
      // If the process ends during a build, Postgres ends that.
      const stopped = new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      await Promise.race([Promise.all([keepPlans(signal), keepIndex(signal)]), stopped]);
    },
  };
}
