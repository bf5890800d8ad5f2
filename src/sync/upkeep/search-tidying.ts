import type { Sql } from "../../db/connection/sql.js";
import { tidySearchIndexes } from "../../db/setup/search-index.js";
import { sleep } from "../../lib/async.js";
import type { Logger } from "../../observability/logger.js";

/** Works changes of names into the search indexes, so that whoever writes them doesn't have to. */
export interface SearchTidying {
  /** To be told when users were changed, by whichever process. */
  noteChange(): void;
  /** Tidies until aborted: what is found at first, then what is noted. */
  run(signal: AbortSignal): Promise<void>;
}

/**
 * The more wait, the less each costs: many have the same trigrams. Two seconds' worth is what a search still looks through
 * in passing.
 */
const EVERY_MS = 2000;

export interface SearchTidyingOptions {
  sql: Sql;
  log: Logger;
  everyMs?: number;
}

export function createSearchTidying({ sql, log, everyMs = EVERY_MS }: SearchTidyingOptions): SearchTidying {
  let isTidy = false;
  return {
    noteChange() {
      isTidy = false;
    },
    async run(signal) {
      while (!signal.aborted) {
        await sleep(everyMs, signal).catch(() => {});
        if (isTidy || signal.aborted) continue;
        isTidy = true;
        await tidySearchIndexes(sql).catch((error) => {
          isTidy = false;
          log.debug({ reason: error.message }, "the search indexes are not tidied");
        });
      }
    },
  };
}
