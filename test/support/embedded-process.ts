import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import postgres from "postgres";
import { program } from "./programs.js";

/** Another process that starts the embedded Postgres of this folder, or attaches to it. */
export const spawnEmbedded = (folder: string) =>
  spawn(process.execPath, [program("test/support/embedded-child.ts"), folder], {
    stdio: ["pipe", "pipe", "inherit"],
  });

/** Resolves with what the process says once its Postgres is ready. */
export async function embeddedReady(child: ChildProcess): Promise<{ url: string; attached: boolean }> {
  if (!child.stdout) throw new Error("it has no output");
  const [line] = await once(createInterface({ input: child.stdout }), "line");
  return JSON.parse(String(line));
}

/** One query on a connection of its own. */
export async function queryOnce<T>(url: string, text: string): Promise<T[]> {
  const sql = postgres(url, { max: 1, onnotice: () => {}, connect_timeout: 2 });
  try {
    return (await sql.unsafe(text)) as unknown as T[];
  } finally {
    await sql.end({ timeout: 1 });
  }
}
