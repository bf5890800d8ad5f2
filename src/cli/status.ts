import { Command } from "commander";
import { createStatusReader, type Status } from "../query/status.js";
import { withStore } from "./context.js";
import { print, table, when } from "./output.js";

/** `user-mirror status`: works beside a running server, and without Clerk. */
export function statusCommand(): Command {
  return new Command("status")
    .description("How complete the mirror is, and what happened last")
    .option("--json", "print JSON")
    .action(status);
}

function status(flags: { json?: boolean }): Promise<void> {
  return withStore(async ({ database, embedded }) => {
    const read = await createStatusReader({ sql: database.sql, embedded, webhooks: null }).read();
    print(flags, read, describe(read));
  });
}

function describe(status: Status): string {
  const runs = status.last_runs.map((run) => [
    run.mode,
    run.state,
    when(run.started_at),
    `${run.users_seen} users`,
    run.error ?? "",
  ]);
  const outcomes = Object.entries(status.webhooks.outcomes).map(([outcome, n]) => `${n} ${outcome}`);
  return [
    `State        ${status.state}`,
    `Upstream     ${status.upstream ? `${status.upstream.api_url} (${status.upstream.environment})` : "none yet"}`,
    `Users        ${status.users}`,
    `In           ${status.organizations} organizations, ${status.memberships} memberships`,
    `Complete as of  ${when(status.as_of)}`,
    `Webhooks     ${outcomes.join(", ") || "none yet"}`,
    `In doubt     ${status.refetches} to ask Clerk again, ${status.dead_letters} dead letters`,
    `Postgres     ${status.database.version}${status.database.embedded ? ` (embedded, ${status.database.embedded.location})` : ""}`,
    ...(runs.length > 0 ? ["", table(["RUN", "STATE", "STARTED", "SEEN", ""], runs)] : []),
  ].join("\n");
}
