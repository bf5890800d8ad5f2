// Covers src/db/setup/rebuild.ts, src/cli/rebuild.ts

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect } from "vitest";
import { startSandbox } from "../../src/sandbox/server.js";
import { test } from "../support/database.js";
import { expectSame, startMirror, untilLive } from "../support/mirror.js";
import { CLI } from "../support/programs.js";

const run = promisify(execFile);

const rebuild = (databaseUrl: string) =>
  run(process.execPath, [CLI, "rebuild"], {
    env: { ...process.env, DATABASE_URL: databaseUrl },
  });

test("a mirror of another Clerk is refused with the way out, which works", async ({ db }) => {
  const [first, second] = await Promise.all([
    startSandbox({ users: 30 }),
    startSandbox({ users: 40, seed: 2 }),
  ]);
  const held = await startMirror({ sandbox: first, databaseUrl: db.url });
  await held.stop();
  await expect(startMirror({ sandbox: second, databaseUrl: db.url })).rejects.toMatchObject({
    code: "configuration",
    message: expect.stringContaining("user-mirror rebuild"),
  });

  const { stdout } = await rebuild(db.url);
  expect(stdout).toContain("npm start");
  const server = await startMirror({ sandbox: second, databaseUrl: db.url });
  await expectSame(server.url, second);
  await server.stop();
  await Promise.all([first.close(), second.close()]);
});

test("a server that runs fills an emptied mirror again by itself", async ({ db }) => {
  const sandbox = await startSandbox({ users: 30, organizations: 2 });
  const server = await startMirror({ sandbox, databaseUrl: db.url, env: { RECONCILE_INTERVAL: "1s" } });
  const [first] = await db.sql`select id from mirror_data.runs where mode = 'backfill'`;
  await rebuild(db.url);
  // The server may have begun the next one by now.
  expect(await db.sql`select from mirror_data.runs where id = ${first?.id}`).toHaveLength(0);
  const backfills = async () =>
    (
      await db.sql`select count(*) as n from mirror_data.runs where mode = 'backfill' and state = 'succeeded'`
    )[0]?.n;
  await expect.poll(backfills, { timeout: 20_000 }).toBe(1);
  await untilLive(server.url);
  await expectSame(server.url, sandbox);
  await server.stop();
  await sandbox.close();
});
