import { Command } from "commander";
import { AppError } from "../lib/errors.js";
import { openMirror } from "../runtime/mirror.js";
import { kindOf, type RunMode } from "../sync/ledger/run-kinds.js";
import { REASONS, type Run } from "../sync/ledger/runs.js";
import { audited, type NoteId } from "./audit.js";
import { commandLogger, configWithKey, openForCommand, untilInterrupted } from "./context.js";
import { print } from "./output.js";
import { createProgress } from "./progress.js";

interface Flags {
  json?: boolean;
  full?: boolean;
  dryRun?: boolean;
  allowPurge?: boolean;
}

/** `user-mirror backfill`. */
export function backfillCommand(): Command {
  return new Command("backfill")
    .description(
      "Read all users, organizations and memberships from Clerk; goes on where an earlier one stopped",
    )
    .option("--json", "print the run as JSON")
    .action((flags: Flags) => execute("backfill", flags, { change: "backfill" }));
}

/** `user-mirror reconcile`. */
export function reconcileCommand(): Command {
  return new Command("reconcile")
    .description(
      "Compare the mirror with Clerk, repair what differs, and delete whom Clerk doesn't know any more",
    )
    .option("--full", "compare every user; otherwise what changed lately, and how many there are")
    .option("--dry-run", "say what differs and change nothing")
    .option("--allow-purge", "delete even more than PURGE_LIMIT")
    .option("--json", "print the run as JSON")
    .addHelpText(
      "after",
      `
Before it deletes anybody it asks Clerk about them, once Clerk's lists have caught up with its writes
(UPSTREAM_LAG). More deletions than PURGE_LIMIT stop it. Beside a running server, that one does the work.`,
    )
    .action((flags: Flags) =>
      execute(flags.dryRun ? "dry_run" : flags.full || flags.allowPurge ? "full" : "incremental", flags, {
        change: "reconcile",
      }),
    );
}

/** `user-mirror drift`. */
export function driftCommand(): Command {
  return new Command("drift")
    .description("Say where the mirror differs from Clerk, and change nothing; a handful of requests")
    .option("--full", "compare every user, not only what changed lately and how many there are")
    .option("--json", "print the run as JSON")
    .addHelpText(
      "after",
      `
Reads what changed since the last check, and compares counts: where they differ, halving finds the place, at
about 2·log2(n/500) requests for one user among n. \`user-mirror reconcile\` repairs what this finds.`,
    )
    .action((flags: Flags) => execute(flags.full ? "dry_run" : "drift", flags, { change: null }));
}

/** `change`: as the audit names it; null: the command only asks. */
async function execute(mode: RunMode, flags: Flags, { change }: { change: string | null }): Promise<void> {
  const config = configWithKey();
  const log = commandLogger(config);
  const { signal } = untilInterrupted();
  const progress = createProgress(process.stderr, flags.json);
  async function work(note?: NoteId): Promise<void> {
    const store = await openForCommand(config, log);
    try {
      const { leader } = await openMirror(config, store, log);
      const run = await leader.execute(mode, {
        signal,
        allowPurge: flags.allowPurge ?? false,
        onProgress: progress.report,
      });
      note?.(run.id);
      progress.end();
      print(flags, run, summary(run));
      if (run.state !== "succeeded") process.exitCode = 1;
    } finally {
      progress.end();
      await store.close();
    }
  }
  try {
    await (change === null ? work() : audited(change, [], work));
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new AppError("conflict", "Stopped. Run it again to go on where it stood.");
  }
}

/** The most ids that are printed for each kind of difference. With `--json` it is the first hundred. */
const MOST_IDS = 10;

function summary(run: Run): string {
  const { missed_create, missed_update, missed_delete } = run.differences;
  const lines = [`${run.mode} ${run.state}: ${run.users.seen} users in ${run.requests} requests to Clerk.`];
  if (kindOf(run.mode).task === "compare") {
    const [found, verb] = kindOf(run.mode).dryRun ? ["Found", "would be"] : ["Repaired", "were"];
    lines.push(
      `${found}: ${missed_create} missing, ${missed_update} out of date; ${missed_delete} ${run.state === "stopped" ? "would be" : verb} deleted.`,
    );
  }
  for (const reason of REASONS) {
    const ids = run.difference_ids[reason] ?? [];
    const more = run.differences[reason] - MOST_IDS;
    if (ids.length > 0) {
      lines.push(`  ${reason}: ${ids.slice(0, MOST_IDS).join(" ")}${more > 0 ? ` and ${more} more` : ""}`);
    }
  }
  if (run.error) lines.push(run.error);
  return lines.join("\n");
}
