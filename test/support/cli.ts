import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** A command of the CLI on this database, without a Clerk key; `value` is what it printed as JSON. */
export async function cli(databaseUrl: string, args: readonly string[], env: Record<string, string> = {}) {
  const run = promisify(execFile)(
    process.execPath,
    ["--import", "tsx", "src/cli/main.ts", ...args, "--json"],
    { env: { PATH: process.env.PATH ?? "", DATABASE_URL: databaseUrl, ...env } },
  );
  const { code, stdout, stderr } = await run.then(
    (done) => ({ ...done, code: 0 }),
    (error: { code: number; stdout: string; stderr: string }) => error,
  );
  return { code, stdout, stderr, value: stdout ? JSON.parse(stdout) : null };
}
