import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { CLI } from "../support/programs.js";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "config-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const run = (args: string[], env: Record<string, string>) =>
  new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    execFile(process.execPath, [CLI, "config", ...args], { cwd: folder, env }, (error, stdout, stderr) =>
      resolve({ code: Number(error?.code ?? 0), stdout, stderr }),
    );
  });

test("explains what the environment, .env and files say, and what is wrong behind it", async () => {
  writeFileSync(join(folder, ".env"), "PORT=9000\nLOG_LEVEL=debug\n");
  writeFileSync(join(folder, "key"), "sk_test_fromafile\n");
  const env = { LOG_LEVEL: "warn", CLERK_SECRET_KEY_FILE: join(folder, "key") };
  const { code, stdout } = await run(["--explain"], env);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^PORT=9000\n {2}the port .*\n {2}from \.env; default: 8787$/m);
  expect(stdout).toMatch(/^LOG_LEVEL=warn\n {2}.*\n {2}from the environment; default: info$/m);
  expect(stdout).toMatch(/^CLERK_SECRET_KEY=••••\n {2}.*\n {2}from a file;/m);
  expect(stdout).not.toContain("fromafile");

  const wrong = await run(["--json"], { ...env, PURGE_LIMIT: "5", RECONCILE_INTERVAL: "60" });
  expect(wrong.code).toBe(78);
  expect(wrong.stderr).toMatch(/RECONCILE_INTERVAL must be .*\nPURGE_LIMIT must be/);
  expect(JSON.parse(wrong.stdout)).toContainEqual(
    expect.objectContaining({ name: "PURGE_LIMIT", value: "•••• (can't be read)" }),
  );
  expect((await run([], env)).stdout).toMatch(/^VARIABLE +VALUE +FROM\n/);
});
