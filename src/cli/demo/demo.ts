import type { ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { Command } from "commander";
import { type ConfigWithSecretKey, loadConfig } from "../../config.js";
import { removeEmbedded } from "../../db/embedded/postgres.js";
import { sleep } from "../../lib/async.js";
import { createLogger } from "../../observability/logger.js";
import { type RunningServer, startServer } from "../../runtime/server.js";
import { readEnvironment, untilInterrupted } from "../context.js";
import { createProgress, type ProgressReporter } from "../progress.js";
import { introduction } from "./introduction.js";
import { applyPastVisits } from "./past-visits.js";
import { type SandboxProcess, startSandboxProcess } from "./sandbox-process.js";
import { sendUnusable } from "./unusable.js";

/** Sign-ups, visits, changes and deletions that the demo simulates each second. */
const TRAFFIC_PER_SECOND = 2;
/** The webhook of one change in half a minute gets lost: the next check finds out, and repairs what is missing. */
const LOSE_EVERY = 30 * TRAFFIC_PER_SECOND;
/** Half a year of sign-ups and visits. */
const HISTORY_DAYS = 182;
const POLL_MS = 100;

/** `user-mirror demo`, which is what `npm run demo` runs. */
export function demoCommand(): Command {
  return new Command("demo")
    .description(
      "The whole product without a Clerk account: a sandbox Clerk, the mirror, an embedded Postgres",
    )
    .addHelpText(
      "after",
      `
DEMO_USERS (5000) people; DEMO_TRAFFIC=off for no live sign-ups, changes and deletions; PORT (8787).
Its data live in DATA_DIR/demo and are made anew each time; DATABASE_URL is ignored.`,
    )
    .action(demo);
}

async function demo(): Promise<void> {
  const environment = readEnvironment();
  // Checked before anything starts, so that all problems are reported together.
  const settings = loadConfig({ ...environment, ...IGNORED });
  const { users, traffic } = settings.demo;
  const { signal } = untilInterrupted();
  say(`Starting a sandbox Clerk with ${users} users …`);
  const sandbox = await startSandboxProcess({ users, historyDays: HISTORY_DAYS });
  let server: RunningServer | null = null;
  try {
    const apiKey = `um_demo_${randomBytes(18).toString("base64url")}`;
    const config = demoConfig(environment, settings.database.dataDir, sandbox, apiKey);
    await emptied(config.database.dataDir);
    const progress = createProgress(process.stdout);
    server = await startDemoServer(config, progress, signal);
    await applyPastVisits({
      ...{ sql: server.mirror.store.database.primary.patient, sandbox, users, historyDays: HISTORY_DAYS },
      ...{ lagMs: config.upstream.lagMs, onCommitted: server.mirror.onCommitted },
      ...{ report: progress.report, signal },
    });
    progress.end();
    await sandbox.control("PUT", "webhook", {
      url: `${server.url}/webhooks/clerk`,
      secret: sandbox.webhookSecret,
    });
    say("Sending a few webhooks that can't be applied, to be looked at as dead letters …");
    await sendUnusable(sandbox);
    if (traffic) {
      await sandbox.control("POST", "traffic", { per_second: TRAFFIC_PER_SECOND, lose_every: LOSE_EVERY });
    }
    const databaseUrl = server.mirror.store.embedded?.url ?? null;
    say(
      introduction({
        url: server.url,
        sandbox,
        apiKey,
        traffic,
        databaseUrl,
        programs: environment.PATH ?? "",
      }),
    );
    await stopped(signal, sandbox.child);
  } catch (error) {
    // Ctrl-C before the demo is ready is not a failure.
    if (!signal.aborted) throw error;
  } finally {
    await server?.stop();
    sandbox.child.stdin?.end();
  }
}

/** Deletes the data of the last demo: each demo has a new sandbox with other users. */
export async function emptied(dataDir: string): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      return removeEmbedded(dataDir);
    } catch (error) {
      // When the last demo has just been killed, its Postgres needs a moment to end.
      if (attempt === 20) throw error;
      await sleep(POLL_MS);
    }
  }
}

/** Variables whose values the demo chooses itself. */
const IGNORED = {
  DATABASE_URL: undefined,
  DATABASE_URL_FILE: undefined,
  CLERK_SECRET_KEY: undefined,
  CLERK_SECRET_KEY_FILE: undefined,
  CLERK_API_URL: undefined,
  CLERK_INSTANCE_ID: undefined,
  CLERK_WEBHOOK_SIGNING_SECRET: undefined,
  CLERK_WEBHOOK_SIGNING_SECRET_FILE: undefined,
  UPSTREAM_RATE_LIMIT: undefined,
  MIRROR_API_KEY: undefined,
  MIRROR_API_KEY_FILE: undefined,
};

function demoConfig(
  environment: Readonly<Record<string, string | undefined>>,
  dataDir: string,
  sandbox: SandboxProcess,
  apiKey: string,
): ConfigWithSecretKey {
  return loadConfig(
    {
      ...environment,
      ...IGNORED,
      CLERK_SECRET_KEY: sandbox.secretKey,
      CLERK_API_URL: sandbox.url,
      CLERK_WEBHOOK_SIGNING_SECRET: sandbox.webhookSecret,
      UPSTREAM_RATE_LIMIT: "1000",
      // What gets lost is healed while one watches; the sandbox's lists show every write at once.
      RECONCILE_INTERVAL: environment.RECONCILE_INTERVAL ?? "20s",
      UPSTREAM_LAG: environment.UPSTREAM_LAG ?? "2s",
      MIRROR_API_KEY: apiKey,
      DATA_DIR: join(dataDir, "demo"),
      LOG_LEVEL: environment.LOG_LEVEL ?? "warn",
    },
    { needs: { secretKey: true } },
  );
}

/** Resolves once the first backfill has ended. */
async function startDemoServer(
  config: ConfigWithSecretKey,
  progress: ProgressReporter,
  signal: AbortSignal,
): Promise<RunningServer> {
  const log = createLogger(config.log, process.stderr);
  const server = await startServer(config, log, progress.report);
  try {
    while (!server.mirror.completeness.isBackfilled()) await sleep(POLL_MS, signal);
    return server;
  } catch (error) {
    await server.stop();
    throw error;
  }
}

/** Resolves on Ctrl-C, or when the sandbox has ended. */
async function stopped(signal: AbortSignal, child: ChildProcess): Promise<void> {
  const aborted = new Promise<void>((resolve) =>
    signal.addEventListener("abort", () => resolve(), { once: true }),
  );
  await Promise.race([aborted, once(child, "exit")]);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
