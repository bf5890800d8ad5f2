import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Command } from "commander";
import { type ConfigWithSecretKey, loadConfig } from "../config.js";
import { removeEmbedded } from "../db/embedded/postgres.js";
import { sleep } from "../lib/async.js";
import { AppError } from "../lib/errors.js";
import { createLogger } from "../observability/logger.js";
import { type RunningServer, startServer } from "../runtime/server.js";
import { readEnvironment, untilInterrupted } from "./context.js";
import { createProgress } from "./progress.js";

/** Sign-ups, changes and deletions that the demo simulates each second. */
const TRAFFIC_PER_SECOND = 2;
const POLL_MS = 100;

interface SandboxProcess {
  url: string;
  secretKey: string;
  webhookSecret: string;
  child: ChildProcess;
}

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
  const interrupted = untilInterrupted();
  say(`Starting a sandbox Clerk with ${settings.demo.users} users …`);
  const sandbox = await startSandboxProcess(settings.demo.users);
  let server: RunningServer | null = null;
  try {
    const apiKey = `um_demo_${randomBytes(18).toString("base64url")}`;
    const config = demoConfig(environment, settings.database.dataDir, sandbox, apiKey);
    await emptied(config.database.dataDir);
    server = await startDemoServer(config, interrupted.signal);
    await control(sandbox, "PUT", "webhook", {
      url: `${server.url}/webhooks/clerk`,
      secret: sandbox.webhookSecret,
    });
    if (settings.demo.traffic) await control(sandbox, "POST", "traffic", { per_second: TRAFFIC_PER_SECOND });
    introduce(server.url, sandbox, apiKey, settings.demo.traffic);
    await stopped(interrupted.signal, sandbox.child);
  } catch (error) {
    // Ctrl-C before the demo is ready is not a failure.
    if (!interrupted.signal.aborted) throw error;
  } finally {
    await server?.stop();
    sandbox.child.stdin?.end();
  }
}

/** Deletes the data of the last demo: each demo has a new sandbox with other users. */
async function emptied(dataDir: string): Promise<void> {
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
      MIRROR_API_KEY: apiKey,
      DATA_DIR: join(dataDir, "demo"),
      LOG_LEVEL: environment.LOG_LEVEL ?? "warn",
    },
    { needs: { secretKey: true } },
  );
}

/** Resolves once the first backfill has ended. */
async function startDemoServer(config: ConfigWithSecretKey, signal: AbortSignal): Promise<RunningServer> {
  const log = createLogger(config.log, process.stderr);
  const progress = createProgress(process.stdout);
  const server = await startServer(config, log, progress.report);
  try {
    while (!server.mirror.completeness.isBackfilled()) await sleep(POLL_MS, signal);
    progress.end();
    return server;
  } catch (error) {
    await server.stop();
    throw error;
  }
}

function introduce(url: string, sandbox: SandboxProcess, apiKey: string, traffic: boolean): void {
  const key = `-H "Authorization: Bearer ${apiKey}"`;
  say(`
User Mirror is ready.

  Mirror         ${url}
  Sandbox Clerk  ${sandbox.url}
  API key        ${apiKey}
  ${traffic ? "Live traffic   sign-ups, visits, changes and deletions arrive by signed webhooks" : "Live traffic   off"}

Try it, each line as it is:

  curl -s "${url}/v1/users/count" ${key}
  curl -s "${url}/v1/users?query=ann&order_by=-last_active_at&limit=2" ${key}
  curl -s "${url}/mirror/status" ${key}

And what Clerk can't be asked (docs/how-to/asking.md):

  curl -s "${url}/mirror/users/query" ${key} -d '{"filter": {"public_metadata.plan": "pro"}, "fields": ["id", "name"], "limit": 3, "count": true}'
  curl -s "${url}/mirror/users/aggregate" ${key} -d '{"group_by": ["public_metadata.plan"]}'
  curl -sN "${url}/mirror/changes?after=now" ${key} -H "Accept: text/event-stream"

In an application, one line changes:

  createClerkClient({ secretKey: "${sandbox.secretKey}", apiUrl: "${url}" })

Ctrl-C ends it.`);
}

/** Runs the sandbox in a process of its own. It ends when this process does, however that ends. */
async function startSandboxProcess(users: number): Promise<SandboxProcess> {
  const args = ["sandbox", "--json", "--until-stdin-closes", "--users", String(users)];
  const child = spawn(process.execPath, [...process.execArgv, process.argv[1] ?? "", ...args], {
    stdio: ["pipe", "pipe", "inherit"],
    // Detached, so that Ctrl-C reaches only this process, which ends the sandbox after the server.
    detached: true,
  });
  const lines = createInterface({ input: child.stdout });
  const [line] = await Promise.race([once(lines, "line"), once(child, "exit").then(() => [null])]);
  if (typeof line !== "string")
    throw new AppError("conflict", "The sandbox Clerk ended before it was ready.");
  const { url, secret_key, webhook_secret } = JSON.parse(line) as Record<string, string>;
  return { url: url ?? "", secretKey: secret_key ?? "", webhookSecret: webhook_secret ?? "", child };
}

async function control(sandbox: SandboxProcess, method: string, path: string, body: unknown): Promise<void> {
  const response = await fetch(`${sandbox.url}/_sandbox/${path}`, {
    method,
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new AppError("conflict", `The sandbox Clerk refused ${path}: ${response.status}.`);
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
