import { Command, InvalidArgumentError } from "commander";
import { type SandboxOptions, startSandbox } from "../sandbox/server.js";

interface Flags {
  port: number;
  host: string;
  users: number;
  organizations: number;
  seed: number;
  historyDays: number;
  clock?: number;
  loneSurrogates?: boolean;
  secretKey: string;
  rateLimit?: number;
  webhookUrl?: string;
  webhookSecret: string;
  traffic: number;
  json?: boolean;
  untilStdinCloses?: boolean;
}

const WEBHOOK_SECRET = `whsec_${Buffer.from("the secret of a sandbox").toString("base64")}`;

/** `user-mirror sandbox`: a stand-in for Clerk, for tests and for trying the mirror out. */
export function sandboxCommand(): Command {
  return new Command("sandbox")
    .description("Run a stand-in for Clerk: its Users API, its people, and its signed webhooks")
    .option("--port <port>", "where it listens; 0 picks a free one", whole, 0)
    .option("--host <host>", "the address it listens on", "127.0.0.1")
    .option("--users <n>", "how many people it starts with", whole, 5000)
    .option("--organizations <n>", "how many organizations", whole, 40)
    .option("--seed <n>", "the same seed gives the same people", whole, 1)
    .option("--history-days <n>", "so many days up to now have a history of sign-ups and visits", whole, 0)
    .option("--clock <ms>", "start a virtual clock: ids and times are then reproducible", whole)
    .option("--lone-surrogates", "broken text in some metadata, which strict clients can't read")
    .option("--secret-key <key>", "the key it takes", "sk_test_sandbox")
    .option("--rate-limit <n>", "requests in 10 seconds, then 429", whole)
    .option("--webhook-url <url>", "where events are sent")
    .option("--webhook-secret <whsec>", "what they are signed with", WEBHOOK_SECRET)
    .option(
      "--traffic <per second>",
      "sign-ups, visits, changes and deletions that happen by themselves",
      Number,
      0,
    )
    .option("--json", "print one JSON line when it listens")
    .option("--until-stdin-closes", "end with the process that started it")
    .action(runSandbox);
}

async function runSandbox(flags: Flags): Promise<void> {
  const options: SandboxOptions = {
    port: flags.port,
    host: flags.host,
    users: flags.users,
    organizations: flags.organizations,
    seed: flags.seed,
    historyDays: flags.historyDays,
    secretKey: flags.secretKey,
    loneSurrogates: flags.loneSurrogates === true,
    ...(flags.clock !== undefined && { clockMs: flags.clock }),
    ...(flags.rateLimit !== undefined && { rateLimit: flags.rateLimit }),
    ...(flags.webhookUrl && { webhook: { url: flags.webhookUrl, secret: flags.webhookSecret } }),
  };
  const sandbox = await startSandbox(options);
  const { url, secretKey, instanceId } = sandbox;
  if (flags.json) {
    const line = { url, secret_key: secretKey, webhook_secret: flags.webhookSecret, instance_id: instanceId };
    process.stdout.write(`${JSON.stringify(line)}\n`);
  } else {
    process.stdout.write(`Sandbox Clerk at ${url} with ${flags.users} users, secret key ${secretKey}\n`);
  }
  sandbox.traffic.start(flags.traffic);

  const ended = new Promise<void>((resolve) => {
    process.once("SIGINT", resolve);
    process.once("SIGTERM", resolve);
    if (flags.untilStdinCloses) process.stdin.resume().once("close", resolve);
  });
  await ended;
  await sandbox.close();
}

function whole(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("It must be a whole number.");
}
