// Covers src/cli/{main,context,serve,sandbox,migrate,users,status,sync,progress}.ts, src/runtime/store.ts

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { unprivilegedUser } from "../../src/db/embedded/binaries.js";
import { embeddedLocation } from "../../src/db/embedded/cluster.js";
import { removeEmbedded } from "../../src/db/embedded/postgres.js";
import { processesOf } from "../support/processes.js";
import { CLI } from "../support/programs.js";

let folder: string;
const children: ChildProcess[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "user-mirror-start-"));
});
afterEach(async () => {
  for (const child of children.splice(0)) if (child.exitCode === null) child.kill("SIGKILL");
  await nothingRuns();
  removeEmbedded(folder);
  rmSync(folder, { recursive: true });
});

const nothingRuns = () =>
  expect
    .poll(() => processesOf(embeddedLocation(folder, unprivilegedUser())), { timeout: 30_000 })
    .toEqual([]);

function start(args: readonly string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [CLI, ...args], {
    cwd: folder,
    env: { PATH: process.env.PATH ?? "", HOME: folder, DATA_DIR: folder, PORT: "0", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.push(child);
  let printed = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      printed += chunk;
    });
  }
  return { child, printed: () => printed };
}

async function run(args: readonly string[], env: Record<string, string> = {}) {
  const { child, printed } = start(args, env);
  const [code, signal] = await once(child, "close");
  return { code: code ?? signal, printed: printed() };
}

const NO_STACK = /^(?![\s\S]*\n {4}at )(?![\s\S]*hush)/;
/** Clerk is away: a start doesn't need it. */
const SERVED = { CLERK_SECRET_KEY: "sk_test_hush", CLERK_API_URL: "http://127.0.0.1:9" };

describe("what a person can get wrong ends with 78, its name and the reason, and no stack", () => {
  test.each([
    [["status"], { DATABASE_URL: "postgres://u:hush%@h/d" }, /DATABASE_URL has a %.*%25/],
    [
      ["users", "count"],
      { DATABASE_URL: "postgres://u:hush@127.0.0.1:1/d" },
      /127\.0\.0\.1:1 .*ECONNREFUSED.*DATABASE_URL/,
    ],
    [["keys", "list"], { DATABASE_URL: "postgres://u:hush@h/d?sslmode=hush" }, /DATABASE_URL has an sslmode/],
    [["migrate"], { DATA_DIR: "/proc/nowhere" }, /DATA_DIR/],
    [["dead-letters", "list"], { DATA_DIR: "/dev/null" }, /DATA_DIR/],
    [["reset"], { DATABASE_URL: "postgres://u:hush@h/d" }, /DATABASE_URL is set/],
    [["serve"], {}, /CLERK_SECRET_KEY is not set/],
    [["reconcile"], { CLERK_SECRET_KEY_FILE: "/nowhere/hush" }, /CLERK_SECRET_KEY_FILE/],
    [["demo"], { DATA_DIR: "/proc/nowhere", DEMO_USERS: "1" }, /DATA_DIR/],
    [["serve"], { ...SERVED, HOST: "256.1.1.1" }, /HOST/],
  ])("%j with %j", async (args, env, reason) => {
    const { code, printed } = await run(args, env as Record<string, string>);
    expect({ code, printed }).toEqual({ code: 78, printed: expect.stringMatching(reason) });
    expect(printed).toMatch(NO_STACK);
  });

  test("a port that is taken", async () => {
    const taker = createServer().listen(0, "127.0.0.1");
    await once(taker, "listening");
    const address = taker.address();
    const port = typeof address === "object" ? String(address?.port) : "";
    const { code, printed } = await run(["serve"], { ...SERVED, PORT: port });
    taker.close();
    expect({ code, printed }).toEqual({ code: 78, printed: expect.stringMatching(/PORT .* in use/) });
  });

  test("an .env that is a folder", async () => {
    mkdirSync(join(folder, ".env"));
    const { code, printed } = await run(["status"]);
    expect({ code, printed }).toEqual({ code: 78, printed: expect.stringMatching(/\.env/) });
    expect(printed).toMatch(NO_STACK);
  });

  if (process.getuid?.() === 0) {
    test("a user whom the system doesn't know", async () => {
      chmodSync(folder, 0o777);
      writeFileSync(join(folder, "run.sh"), "");
      const UNKNOWN = 12_345;
      const child = spawn(process.execPath, [CLI, "status"], {
        ...{ cwd: folder, uid: UNKNOWN, gid: UNKNOWN, stdio: ["ignore", "pipe", "pipe"] },
        env: { PATH: process.env.PATH ?? "", DATA_DIR: join(folder, "data") },
      });
      let printed = "";
      child.stderr?.on("data", (chunk: Buffer) => {
        printed += chunk;
      });
      const [code] = await once(child, "close");
      expect({ code, printed }).toEqual({
        code: 78,
        printed: expect.stringMatching(/12345[\s\S]*DATABASE_URL/),
      });
      expect(printed).toMatch(NO_STACK);
    });
  }
});

describe("a server that is told to stop", () => {
  test.each([[["SIGTERM"]], [["SIGINT"]], [["SIGINT", "SIGINT"]]] as const)(
    "while it starts, by %j, ends and leaves nothing running",
    { timeout: 120_000 },
    async (signals) => {
      const { child, printed } = start(["serve"], SERVED);
      const ended = once(child, "close");
      await expect
        .poll(() => processesOf(embeddedLocation(folder, unprivilegedUser())).length, {
          timeout: 30_000,
          interval: 10,
        })
        .toBeGreaterThan(0);
      for (const signal of signals) child.kill(signal);
      const [code, by] = await ended;
      expect([0, "SIGINT"]).toContain(code ?? by);
      expect(printed()).toMatch(NO_STACK);
      await nothingRuns();
    },
  );

  test("twice while it stops, ends at once and leaves nothing running", async () => {
    const { child, printed } = start(["serve"], SERVED);
    const ended = once(child, "close");
    await expect.poll(printed, { timeout: 50_000 }).toContain('"msg":"listening"');
    child.kill("SIGINT");
    child.kill("SIGINT");
    await ended;
    await nothingRuns();
  });
});
