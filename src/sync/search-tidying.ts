import type { Sql } from "../db/client.js";
import { tidySearchIndexes } from "../db/search-index.js";
import { sleep } from "../lib/async.js";
import type { Logger } from "../observability/logger.js";
import type { OnCommitted } from "./apply.js";

/** Works changes of names into the search indexes, so that whoever writes them doesn't have to. */
export interface SearchTidying {
  /** To be told of every commit of this process. */
  onCommitted: OnCommitted;
  /** Tidies until aborted. */
  run(signal: AbortSignal): Promise<void>;
}

/**
 * The more wait, the less each costs: many have the same trigrams. Two seconds' worth is what a search still looks through
 * in passing.
 */
const EVERY_MS = 2000;

export function createSearchTidying({ sql, log }: { sql: Sql; log: Logger }): SearchTidying {
  let isTidy = true;
  return {
    onCommitted({ users }) {
      for (const effect of users.values()) if (effect !== "touched") isTidy = false;
    },
    async run(signal) {
      while (!signal.aborted) {
        await sleep(EVERY_MS, signal).catch(() => {});
        if (isTidy || signal.aborted) continue;
        isTidy = true;
        // Whatever is left is worked in by a later round, by autovacuum, or by who fills the list.
        await tidySearchIndexes(sql).catch((error) =>
          log.debug({ reason: error.message }, "the search indexes are not tidied"),
        );
      }
    },
  };
}
