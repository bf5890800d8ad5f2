import { Command } from "commander";
import { AppError } from "../lib/errors.js";
import { openMirror, openStore } from "../runtime.js";
import type { Run, RunMode } from "../sync/runs.js";
import { commandLogger, configWithKey, untilInterrupted } from "./context.js";
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
    .action((flags: Flags) => walk("backfill", flags));
}

/** `user-mirror reconcile`. */
export function reconcileCommand(): Command {
  return new Command("reconcile")
    .description(
      "Compare the mirror with Clerk, repair what differs, and delete whom Clerk doesn't know any more",
    )
    .option("--full", "walk everything (what a reconcile does unless told otherwise)")
    .option("--dry-run", "say what differs and change nothing")
    .option("--allow-purge", "delete even more than PURGE_LIMIT")
    .option("--json", "print the run as JSON")
    .addHelpText(
      "after",
      "\nA full walk waits until Clerk's lists have caught up with its writes (UPSTREAM_LAG) before it deletes.",
    )
    .action((flags: Flags) =>
      walk(flags.dryRun ? "dry_run" : flags.full || flags.allowPurge ? "full" : "incremental", flags),
    );
}

async function walk(mode: RunMode, flags: Flags): Promise<void> {
  const config = configWithKey();
  const log = commandLogger(config);
  const { signal } = untilInterrupted();
  const progress = createProgress(process.stderr, flags.json);
  const store = await openStore(config.database, log);
  try {
    const { walks } = await openMirror(config, store, log);
    const run = await walks.execute(mode, {
      signal,
      allowPurge: flags.allowPurge ?? false,
      onProgress: progress.report,
    });
    progress.end();
    print(flags, run, summary(run));
    if (run.state !== "succeeded") process.exitCode = 1;
  } catch (error) {
    progress.end();
    if (!signal.aborted) throw error;
    throw new AppError("conflict", "Stopped. Run it again to go on where it stood.");
  } finally {
    await store.close();
  }
}

function summary(run: Run): string {
  const { missed_create, missed_update, missed_delete } = run.differences;
  const lines = [`${run.mode} ${run.state}: ${run.users.seen} users in ${run.requests} requests to Clerk.`];
  if (run.mode !== "backfill") {
    const [found, verb] = run.mode === "dry_run" ? ["Found", "would be"] : ["Repaired", "were"];
    lines.push(
      `${found}: ${missed_create} missing, ${missed_update} out of date; ${missed_delete} ${verb} deleted.`,
    );
  }
  if (run.error) lines.push(run.error);
  return lines.join("\n");
}
