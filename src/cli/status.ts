import { Command } from "commander";
import { createStatusReader, type Status } from "../operations/status.js";
import { latestRuns, type Run } from "../sync/ledger/runs.js";
import { withStore } from "./context.js";
import { print, table, when } from "./output.js";

/** `user-mirror status`. Works while a server runs, and doesn't ask Clerk. */
export function statusCommand(): Command {
  return new Command("status")
    .description("How complete the mirror is, and what happened last")
    .option("--json", "print JSON")
    .action(status);
}

function status(flags: { json?: boolean }): Promise<void> {
  return withStore(
    async ({
      database: {
        primary: { patient: sql },
      },
      embedded,
    }) => {
      const reader = createStatusReader({
        ...{ sql, embedded, webhooks: null, cache: null, pace: null },
        lastRuns: (limit) => latestRuns(sql, limit),
      });
      const read = await reader.read();
      print(flags, read, describe(read));
    },
  );
}

function describe(status: Status): string {
  const { upstream, budget, drift, database, versions, walker } = status;
  const outcomes = Object.entries(status.webhooks.outcomes).map(([outcome, n]) => `${n} ${outcome}`);
  const { missed_create, missed_update, missed_delete } = drift.repaired;
  const left = drift.found.missed_delete - missed_delete;
  const used = budget.used.urgent + budget.used.background;
  return [
    `State        ${status.state}`,
    `Upstream     ${upstream ? `${upstream.api_url} (${upstream.environment})` : "none yet"}`,
    `Users        ${status.users}${countsOf(upstream)}`,
    `In           ${status.organizations} organizations, ${status.memberships} memberships`,
    `Complete as of  ${when(status.as_of)}; memberships ${when(status.memberships_as_of)}`,
    `Drift        ${missed_create} missing, ${missed_update} out of date, ${missed_delete} deleted were repaired in 7 days${left > 0 ? `; ${left} wait for \`reconcile --full --allow-purge\`` : ""}`,
    `Activity     ${activityOf(status.activity)}`,
    `Webhooks     ${outcomes.join(", ") || "none yet"}`,
    `In doubt     ${doubtsOf(status)}`,
    `Requests     ${used}${budget.limit === null ? "" : ` of ${budget.limit}`} in the last 10 s${budget.share < 1 ? `; lowered to ${Math.round(budget.share * 100)} % after a 429` : ""}`,
    `Walks        ${walker ? `by ${walker.holder}` : "by nobody at present"}`,
    `Postgres     ${versions.postgres}${database.embedded ? ` (embedded, ${database.embedded.location})` : ""}`,
    ...(status.last_runs.length > 0 ? ["", runsTable(status.last_runs as Run[])] : []),
  ].join("\n");
}

function doubtsOf({ refetches, dead_letters }: Status): string {
  const letters = `${dead_letters} dead letter${dead_letters === 1 ? "" : "s"}`;
  const held = dead_letters > 0 ? ", which hold up what is proved complete: `dead-letters list`" : "";
  return `${refetches} to ask Clerk again, ${letters}${held}`;
}

function countsOf(upstream: Status["upstream"]): string {
  if (upstream?.users == null) return "";
  return `; at ${when(upstream.counted_at)} Clerk had ${upstream.users} and the mirror ${upstream.users_here}`;
}

function activityOf(activity: Status["activity"]): string {
  if (!activity) return "not kept (ACTIVITY_HISTORY is off, or nothing is here yet)";
  const { since, complete_days: complete, incomplete_days: incomplete } = activity;
  if (complete + incomplete.length === 0) return `kept since ${when(since)}`;
  const days = `${complete} of the last ${complete + incomplete.length} days`;
  return `complete on ${days}${incomplete.length > 0 ? `, not on ${incomplete.join(", ")}` : ""}`;
}

function runsTable(runs: readonly Run[]): string {
  const rows = runs.map((run) => [
    run.mode,
    run.state,
    when(run.started_at),
    `${run.users.seen}${run.users.expected === null ? "" : ` of ${run.users.expected}`}`,
    run.windows.total > 0 ? `${run.windows.done} of ${run.windows.total}` : "",
    String(run.requests),
    run.eta === null ? "" : when(run.eta),
    run.error ?? "",
  ]);
  return table(["RUN", "STATE", "STARTED", "USERS", "WINDOWS", "REQUESTS", "ENDS ABOUT", ""], rows);
}
