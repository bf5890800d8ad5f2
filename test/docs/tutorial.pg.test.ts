// Covers docs/tutorial/first-answers.md

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readPage } from "../support/markdown.js";
import { CLI } from "../support/programs.js";
import { installCli, ownCli, runScript } from "../support/shell.js";

const page = readPage("docs/tutorial/first-answers.md");
const scripts = page.snippets.filter(({ language }) => language === "sh");

let folder: string;
let demo: ChildProcess;
let env: Record<string, string>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "user-mirror-tutorial-"));
  installCli(folder);
  demo = spawn(process.execPath, [CLI, "demo"], {
    cwd: folder,
    env: { PATH: process.env.PATH ?? "", PORT: "0", DEMO_USERS: "300" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const printed: string[] = [];
  for await (const line of createInterface({ input: demo.stdout! })) {
    printed.push(line);
    if (line.startsWith("Ctrl-C")) break;
  }
  const after = (label: string) => new RegExp(`^ *${label} +(\\S+)`, "m").exec(printed.join("\n"))?.[1] ?? "";
  env = { MIRROR: after("Mirror"), KEY: after("API key") };
}, 120_000);
afterAll(async () => {
  const ended = once(demo, "exit");
  demo.kill("SIGINT");
  await ended;
  rmSync(folder, { recursive: true, force: true });
});

test("begins with the demo, and with the names that its other commands use", () => {
  expect(scripts[0]?.text).toBe("npm ci\nnpm run demo");
  expect(scripts[1]?.text).toMatch(/^export MIRROR=http:\/\/127\.0\.0\.1:8787 KEY=um_demo_…$/);
  expect(env.KEY).toMatch(/^um_demo_/);
});

test("each further command is answered as the page says", async () => {
  const answers: string[] = [];
  for (const { text, heading } of scripts.slice(2)) {
    const ended = await runScript(ownCli(text), folder, env);
    expect([heading, ended.code, ended.stderr]).toEqual([heading, 0, ""]);
    answers.push(ended.stdout);
  }
  const [count, last, found, grouped, changes, looked, csv] = answers;
  expect(JSON.parse(count ?? "")).toEqual({ object: "total_count", total_count: expect.any(Number) });
  expect(last).toMatch(/X-Mirror-Source: local/i);
  expect(last).toMatch(/X-Mirror-As-Of: \d+/i);
  expect(JSON.parse(found ?? "")).toMatchObject({ data: { length: 3 }, total_count: expect.any(Number) });
  expect(JSON.parse(grouped ?? "").data[0]).toEqual({ keys: expect.any(Array), count: expect.any(Number) });
  expect(JSON.parse(changes ?? "").data[0].cursor).toEqual(expect.any(String));
  expect(looked).toContain("live");
  expect(csv?.split("\n")[0]).toBe("id,name,email_address,public_metadata.plan\r");
  expect(readFileSync(join(folder, "users.csv"), "utf8").split("\n").length).toBeGreaterThan(250);
}, 120_000);
