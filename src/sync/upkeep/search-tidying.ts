import type { Sql } from "../../db/connection/sql.js";
import { tidySearchIndexes } from "../../db/setup/search-index.js";
import { runLoop } from "../../lib/loop.js";
import type { Logger } from "../../observability/logger.js";

/** Works changed names into the search indexes, so that the statement that writes them doesn't have to. */
export interface SearchTidying {
  /** Call it when users were changed, by whichever process. */
  noteChange(): void;
  /** Tidies until aborted: first what it finds, then what it is told of. */
  run(signal: AbortSignal): Promise<void>;
}

/**
 * The more names wait, the less each costs, because many have the same trigrams. A search can still look through two
 * seconds' worth in passing.
 */
const EVERY_MS = 2000;

export interface SearchTidyingDeps {
  sql: Sql;
  log: Logger;
  everyMs?: number;
}

export function createSearchTidying({ sql, log, everyMs = EVERY_MS }: SearchTidyingDeps): SearchTidying {
  let isTidy = false;

  async function tidy(): Promise<void> {
    if (isTidy) return;
    isTidy = true;
    await tidySearchIndexes(sql);
  }

  return {
    noteChange() {
      isTidy = false;
    },
    run: (signal) =>
      runLoop({
        ...{ signal, step: tidy, startsWith: "pause", pauseMs: everyMs },
        onFailure({ message }) {
          isTidy = false;
          log.debug({ reason: message }, "the search indexes are not tidied");
        },
      }),
  };
}
