// Covers src/cli/progress.ts

import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, onTestFinished } from "vitest";
import { type Sandbox, startSandbox } from "../../src/sandbox/server.js";
import { runCli } from "../support/cli.js";
import { test } from "../support/database.js";
import { CLI } from "../support/programs.js";

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await startSandbox({ users: 1200, organizations: 3 });
});
afterAll(() => sandbox.close());

const environment = () => ({
  CLERK_SECRET_KEY: sandbox.secretKey,
  CLERK_API_URL: sandbox.url,
  UPSTREAM_RATE_LIMIT: "100000",
});

/** A backfill on a real terminal, which `script` (of util-linux) makes: it prints what the terminal shows, and passes on what is typed. */
const onTerminal = (databaseUrl: string): ChildProcessByStdio<Writable, Readable, null> =>
  spawn("script", ["-qec", `exec "${process.execPath}" "${CLI}" backfill`, "/dev/null"], {
    env: {
      PATH: process.env.PATH ?? "",
      TERM: "xterm-256color",
      DATABASE_URL: databaseUrl,
      ...environment(),
    },
    stdio: ["pipe", "pipe", "inherit"],
  });

const ESCAPE = "\u001b";
const [HIDDEN, SHOWN] = [`${ESCAPE}[?25l`, `${ESCAPE}[?25h`];

/** What is printed between control sequences. */
const piecesOf = (shown: string) =>
  shown.split(ESCAPE).map((piece, n) => (n === 0 ? piece : piece.replace(/^\[[0-9;?]*[A-Za-z]/, "")));

function expectCursorIsBack(shown: string): void {
  expect(shown).toContain(HIDDEN);
  expect(shown.lastIndexOf(SHOWN)).toBeGreaterThan(shown.lastIndexOf(HIDDEN));
}

describe("the progress of a backfill", { timeout: 120_000 }, () => {
  test("is bars on a terminal, which end whole, each on its own line, with the cursor back", async ({
    db,
  }) => {
    const child = onTerminal(db.url);
    const [shown, [code]] = await Promise.all([text(child.stdout), once(child, "close")]);
    expect(code).toBe(0);
    expect(shown).toMatch(/users +[█░]{30} \d+\/1200 \| \d+% \|/);
    // The last that is drawn of each bar is all of it.
    const bars = shown.split("\r\n").map((row) => piecesOf(row).filter((piece) => /[█░]/.test(piece)));
    const ends = bars.flatMap((drawn) => drawn.at(-1)?.trim() ?? []);
    expect(ends.length).toBeGreaterThan(0);
    for (const end of ends) expect(end).toMatch(/^(\w+ +)█{30} (\d+)\/\2 \| 100% \|/);
    expectCursorIsBack(shown);
    // What comes behind begins on a line of its own.
    expect(piecesOf(shown).join("")).toMatch(
      /\r\nbackfill succeeded: 1200 users in \d+ requests to Clerk\.\r\n[^\r\n]*audit[^\r\n]*\r\n$/,
    );
  });

  test("is plain lines elsewhere, and nothing for a program", async ({ db }) => {
    const plain = await runCli(db.url, ["backfill"], environment());
    expect(plain.code).toBe(0);
    expect(plain.stderr).toMatch(/^users: 1200 of 1200 \(100 %\)$/m);
    expect(plain.stderr + plain.stdout).not.toMatch(/[█░]/);
    expect(plain.stderr + plain.stdout).not.toContain(ESCAPE);
    expect(plain.stdout).toMatch(/^backfill succeeded: 1200 users in \d+ requests to Clerk\.\n$/);
    const json = await runCli(db.url, ["reconcile", "--full", "--json"], environment());
    expect(
      json.stderr
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line).msg),
    ).toEqual(["audit"]);
    expect(JSON.parse(json.stdout)).toMatchObject({ state: "succeeded" });
  });

  test("leaves a terminal as it was where Ctrl-C ends the command", async ({ db }) => {
    // Nothing ends before somebody can type.
    sandbox.faults.add({ match: "^GET /v1/", delayMs: 300 });
    const child = onTerminal(db.url);
    onTestFinished(() => void child.kill());
    let shown = "";
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      const isFirstBar = !shown.includes(HIDDEN) && (shown + chunk).includes(HIDDEN);
      shown += chunk;
      if (isFirstBar) child.stdin.write("\u0003");
    });
    const [code] = await once(child, "close");
    sandbox.faults.clear();
    expect(code).toBe(1);
    expectCursorIsBack(shown);
    expect(piecesOf(shown).join("")).toMatch(/\r\nStopped\. Run it again to go on where it stood\.\r\n$/);
  });
});
