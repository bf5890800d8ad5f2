import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { AppError } from "../../lib/errors.js";

/** A sandbox Clerk in a process of its own, which ends when this process does, however that ends. */
export interface SandboxProcess {
  url: string;
  secretKey: string;
  webhookSecret: string;
  child: ChildProcess;
  /** Asks its control routes, and throws when they refuse. */
  control(method: string, path: string, body?: unknown): Promise<unknown>;
  /** Asks its Users API. */
  ask(path: string): Promise<unknown>;
}

export async function startSandboxProcess(options: {
  users: number;
  historyDays: number;
}): Promise<SandboxProcess> {
  const args = ["sandbox", "--json", "--until-stdin-closes", "--users", String(options.users)];
  args.push("--history-days", String(options.historyDays));
  const child = spawn(process.execPath, [...process.execArgv, process.argv[1] ?? "", ...args], {
    stdio: ["pipe", "pipe", "inherit"],
    // Detached, so that Ctrl-C reaches only this process, which ends the sandbox after the server.
    detached: true,
  });
  const lines = createInterface({ input: child.stdout });
  const [line] = await Promise.race([once(lines, "line"), once(child, "exit").then(() => [null])]);
  if (typeof line !== "string")
    throw new AppError("conflict", "The sandbox Clerk ended before it was ready.");
  const printed = JSON.parse(line) as Record<string, string>;
  const { url = "", secret_key: secretKey = "", webhook_secret: webhookSecret = "" } = printed;
  return {
    ...{ url, secretKey, webhookSecret, child },
    control: (method, path, body) =>
      answerOf(`${url}/_sandbox/${path}`, {
        method,
        headers: { "Content-Type": "application/json" },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      }),
    ask: (path) => answerOf(`${url}/v1${path}`, { headers: { Authorization: `Bearer ${secretKey}` } }),
  };
}

/** Whatever is asked takes moments: the sandbox is on this machine. */
const PATIENCE_MS = 30_000;

async function answerOf(url: string, init: RequestInit): Promise<unknown> {
  const response = await fetch(url, { ...init, signal: AbortSignal.timeout(PATIENCE_MS) });
  if (response.ok) return response.json();
  throw new AppError("conflict", `The sandbox Clerk refused ${new URL(url).pathname}: ${response.status}.`);
}
