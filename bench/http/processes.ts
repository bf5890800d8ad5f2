import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { sleep } from "../../src/lib/async.js";

/** A server under load, as a process of its own. */
export interface Target {
  url: string;
  pid: number;
  /** Of a mirror with a preload: messages go through it. */
  child?: ChildProcess;
  stop(): Promise<void>;
}

const ROOT = join(import.meta.dirname, "../..");

/**
 * Starts the mirror as it runs in production, with all its middleware. `preload` is loaded before it and answers
 * messages.
 */
export async function startMirror(
  env: Record<string, string>,
  { preload }: { preload?: string } = {},
): Promise<Target> {
  // With the flags that `npm start` gives.
  const flags = [
    ...(preload ? ["--import", preload] : []),
    "--max-semi-space-size=16",
    "--heap-growing-percent=50",
    "--initial-old-space-size=64",
    "--no-parallel-scavenge",
    join(ROOT, "dist/cli/main.js"),
    "serve",
  ];
  // Its log goes into a file. Reading it here would take a share of the machine from what is measured.
  const folder = mkdtempSync(join(tmpdir(), "user-mirror-bench-"));
  const file = join(folder, "log");
  const log = openSync(file, "w");
  const child = spawn(process.execPath, flags, {
    env: { ...process.env, ...env, PORT: "0", LOG_LEVEL: "info", LOG_FORMAT: "json" },
    stdio: ["ignore", log, "inherit", ...(preload ? (["ipc"] as const) : [])],
  });
  const exited = once(child, "exit").finally(() => {
    closeSync(log);
    rmSync(folder, { recursive: true });
  });
  while (child.exitCode === null) {
    const url = /"url":"([^"]+)".*"msg":"listening"/.exec(readFileSync(file, "utf8"))?.[1];
    if (url) return { url, child, pid: child.pid ?? 0, stop: () => stop(child, exited) };
    await sleep(20);
  }
  throw new Error(`the mirror ended with ${child.exitCode} before it listened`);
}

/** One of `references.ts`. */
export function startReference(
  what: "constant" | "select" | "transaction" | "verify",
  ...args: string[]
): Promise<Target> {
  return startScript(["--import", "tsx", join(import.meta.dirname, "references.ts"), what, ...args]);
}

/** What prints its URL once it listens; with these arguments of Node. */
export function startScript(args: readonly string[]): Promise<Target> {
  const child = spawn(process.execPath, args, {
    env: { ...process.env, NODE_ENV: "production" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  return listening(child, (line) => (line.startsWith("http") ? line : null));
}

async function listening(child: ChildProcess, urlIn: (line: string) => string | null): Promise<Target> {
  const exited = once(child, "exit");
  if (!child.stdout) throw new Error("the child has no output");
  const lines = createInterface({ input: child.stdout });
  const url = await new Promise<string>((resolve, reject) => {
    // The output is read to the end: a child stands still when nobody takes its output.
    lines.on("line", (line) => {
      const found = urlIn(line);
      if (found) resolve(found);
    });
    void exited.then(([code]) => reject(new Error(`a server ended with ${code} before it listened`)));
  });
  return {
    url,
    pid: child.pid ?? 0,
    stop: () => stop(child, exited),
  };
}

async function stop(child: ChildProcess, exited: Promise<unknown>): Promise<void> {
  child.kill("SIGTERM");
  await exited;
}
