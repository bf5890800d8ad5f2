import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { CLI } from "./programs.js";

/** A command of the CLI on this database, without a Clerk key. */
export function startCli(databaseUrl: string, args: readonly string[], env: Record<string, string> = {}) {
  return spawn(process.execPath, [CLI, ...args], {
    env: { PATH: process.env.PATH ?? "", DATABASE_URL: databaseUrl, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

/** The same, to its end. */
export async function runCli(databaseUrl: string, args: readonly string[], env: Record<string, string> = {}) {
  const child = startCli(databaseUrl, args, env);
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close"),
  ]);
  return { code: code as number | null, stdout, stderr };
}

/** The same with `--json`; `value` is what it printed. */
export async function cli(databaseUrl: string, args: readonly string[], env: Record<string, string> = {}) {
  const ended = await runCli(databaseUrl, [...args, "--json"], env);
  return { ...ended, value: ended.stdout ? JSON.parse(ended.stdout) : null };
}
