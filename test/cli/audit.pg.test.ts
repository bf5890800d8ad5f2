import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import { afterAll, beforeAll, describe, expect, test as pureTest } from "vitest";
import { createProgram } from "../../src/cli/program.js";
import { type Sandbox, startSandbox } from "../../src/sandbox/server.js";
import { runCli } from "../support/cli.js";
import { test } from "../support/database.js";

let sandbox: Sandbox;
const folder = mkdtempSync(join(tmpdir(), "audit-"));
beforeAll(async () => {
  sandbox = await startSandbox({ users: 3, organizations: 1 });
});
afterAll(async () => {
  await sandbox.close();
  rmSync(folder, { recursive: true });
});

/** The audit lines among what a command logged. */
async function auditOf(databaseUrl: string, command: string, env: Record<string, string> = {}) {
  const { stderr, stdout } = await runCli(databaseUrl, command.split(" "), env);
  const lines = stderr.split("\n").filter((line) => line.startsWith("{"));
  const entries = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  return { stdout, audit: entries.filter(({ msg }) => msg === "audit").map(({ time, ...entry }) => entry) };
}

const withClerk = () => ({
  CLERK_SECRET_KEY: sandbox.secretKey,
  CLERK_API_URL: sandbox.url,
  UPSTREAM_LAG: "0",
});

/** What changes something, how it ends here, and the kind of each id that it tells. */
const CHANGES: [command: string, outcome: string, ids: RegExp[], env?: () => Record<string, string>][] = [
  ["keys create --name app --scope users:read", "done", [/^key_/]],
  ["keys revoke app", "done", [/^key_/]],
  ["keys revoke sk_test_pasted", "refused", []],
  ["erase user_1", "refused", [/^user_1$/]],
  ["dead-letters replay msg_1", "refused", [/^msg_1$/]],
  ["dead-letters drop walk:user_1", "refused", [/^walk:user_1$/]],
  ["migrate", "done", []],
  ["backfill", "done", [/^run_/], withClerk],
  ["reconcile --full", "done", [/^run_/], withClerk],
  ["reconcile", "failed", [], () => ({ ...withClerk(), CLERK_SECRET_KEY: "sk_test_another" })],
  ["rebuild", "done", []],
  ["reset", "done", [], () => ({ DATABASE_URL: "", DATA_DIR: folder })],
];

/** Commands that change nothing, and those whose changes are told by the server that they start. */
const OTHERS = [
  ...["serve", "demo", "sandbox", "doctor", "config", "completion", "help", "status", "drift", "changes"],
  ...["users get", "users list", "users count", "users query", "users export"],
  ...["keys list", "dead-letters list", "dead-letters show"],
];

const leaves = (command: Command): string[] =>
  command.commands.flatMap((one) =>
    one.commands.length > 0 ? leaves(one).map((name) => `${one.name()} ${name}`) : [one.name()],
  );

describe("the audit of commands", { timeout: 300_000 }, () => {
  pureTest("is tried below for every command that isn't known to change nothing", () => {
    const audited = leaves(createProgram()).filter((name) => !OTHERS.includes(name));
    const tried = CHANGES.map(([command]) => audited.find((name) => command.startsWith(name)));
    expect(new Set(tried)).toEqual(new Set(audited));
  });

  test("says who changed what, about which ids, and how it ended", async ({ db }) => {
    for (const [command, outcome, ids, env] of CHANGES) {
      const { audit } = await auditOf(db.url, command, env?.());
      const action = command.replace(/ (--|msg|walk|user_|app|sk_).*/, "");
      expect(audit, command).toEqual([
        {
          ...{ level: 30, account: userInfo().username, action, outcome, msg: "audit" },
          ids: ids.map((pattern) => expect.stringMatching(pattern)),
        },
      ]);
    }
  });

  test("is written whatever LOG_LEVEL is, unless it is silent, and never with the key", async ({ db }) => {
    const command = "keys create --name other --scope users:read --json";
    const { audit, stdout } = await auditOf(db.url, command, { LOG_LEVEL: "fatal" });
    expect(audit).toHaveLength(1);
    expect(JSON.stringify(audit)).not.toContain(JSON.parse(stdout).key);
    expect((await auditOf(db.url, "keys revoke other", { LOG_LEVEL: "silent" })).audit).toEqual([]);
  });
});
