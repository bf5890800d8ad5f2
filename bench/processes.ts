import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** A server under load, as a process of its own. */
export interface Target {
  url: string;
  pid: number;
  stop(): Promise<void>;
}

const ROOT = join(import.meta.dirname, "..");

/** The mirror as it runs in production, with all its middleware. */
export function startMirror(env: Record<string, string>): Promise<Target> {
  // With the flag that `npm start` gives.
  const flags = ["--max-semi-space-size=32", join(ROOT, "dist/cli/main.js"), "serve"];
  const child = spawn(process.execPath, flags, {
    env: { ...process.env, ...env, PORT: "0", LOG_LEVEL: "info", LOG_FORMAT: "json" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  return listening(child, (line) => {
    const entry = JSON.parse(line) as { msg?: string; url?: string };
    return entry.msg === "listening" ? (entry.url ?? null) : null;
  });
}

/** One of `references.ts`. */
export function startReference(
  what: "constant" | "select" | "transaction",
  ...args: string[]
): Promise<Target> {
  const file = join(import.meta.dirname, "references.ts");
  const child = spawn(process.execPath, ["--import", "tsx", file, what, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  return listening(child, (line) => (line.startsWith("http") ? line : null));
}

async function listening(child: ChildProcess, urlIn: (line: string) => string | null): Promise<Target> {
  const exited = once(child, "exit");
  if (!child.stdout) throw new Error("the child has no output");
  const lines = createInterface({ input: child.stdout });
  const url = await new Promise<string>((resolve, reject) => {
    // Read to the end: a child whose output nobody takes stands still.
    lines.on("line", (line) => {
      const found = urlIn(line);
      if (found) resolve(found);
    });
    void exited.then(([code]) => reject(new Error(`a server ended with ${code} before it listened`)));
  });
  return {
    url,
    pid: child.pid ?? 0,
    async stop() {
      child.kill("SIGTERM");
      await exited;
    },
  };
}
