import type { Sql } from "../db/client.js";
import type { PageEffects } from "./pages.js";
import { type Differences, saveProgress } from "./runs.js";

/** What a run has seen and repaired so far, kept in its row. */
export interface RunTally {
  seen: number;
  expected: number | null;
  readonly differences: Differences;
  /** Counts what a page changed as missed by the webhooks. Times of activity aren't: no event tells of them. */
  count(effects: PageEffects): void;
  save(): Promise<void>;
}

/** `requests`: how many Clerk was sent so far, by whomever. */
export function createTally(sql: Sql, runId: string, requests: () => number): RunTally {
  const before = requests();
  const tally: RunTally = {
    seen: 0,
    expected: null,
    differences: { missed_create: 0, missed_update: 0, missed_delete: 0 },
    count(effects) {
      for (const effect of effects.values()) {
        if (effect === "created") tally.differences.missed_create++;
        if (effect === "updated") tally.differences.missed_update++;
      }
    },
    save: () =>
      saveProgress(sql, runId, {
        seen: tally.seen,
        expected: tally.expected,
        differences: tally.differences,
        requests: requests() - before,
      }),
  };
  return tally;
}
