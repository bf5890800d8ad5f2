/** What runs are called in the database, in the API and in commands. */
export const RUN_MODES = ["backfill", "full", "dry_run", "incremental", "drift", "sweep"] as const;
export type RunMode = (typeof RUN_MODES)[number];

/** `at_once`: from start to end. `spread`: window by window, over the whole interval within which everything is read. */
export type Pace = "at_once" | "spread";

/** What a run does. Code asks this, and not how the run is called. */
export interface RunKind {
  /**
   * `fill`: loads what Clerk has, from checkpoints on. `compare`: brings what is here in line, deletions included. `sweep`: reads
   * who was active.
   */
  task: "fill" | "compare" | "sweep";
  /** `changed`: reads what changed since the last run, and compares counts. `all`: reads everybody. */
  scope: "changed" | "all";
  /** Compares, and changes nothing. */
  dryRun: boolean;
  pace: Pace;
}

const KINDS = {
  backfill: { task: "fill", scope: "all", dryRun: false },
  full: { task: "compare", scope: "all", dryRun: false },
  dry_run: { task: "compare", scope: "all", dryRun: true },
  incremental: { task: "compare", scope: "changed", dryRun: false },
  drift: { task: "compare", scope: "changed", dryRun: true },
  sweep: { task: "sweep", scope: "changed", dryRun: false },
} as const satisfies Record<RunMode, Omit<RunKind, "pace">>;

/** The only place that knows what the modes mean. */
export const kindOf = (mode: RunMode, pace: Pace = "at_once"): RunKind => ({ ...KINDS[mode], pace });
