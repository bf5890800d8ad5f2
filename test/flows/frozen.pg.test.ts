// Covers src/runtime/server.ts, src/db/embedded/server.ts

import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { describe, expect, type TestContext, test } from "vitest";
import { type Sandbox, startSandbox } from "../../src/sandbox/server.js";
import { startPostgres } from "../support/external-postgres.js";
import { spawnMirror } from "../support/mirror.js";
import { killAtOnce, processesOf } from "../support/processes.js";

type Finally = TestContext["onTestFinished"];

/** The cluster of a DATA_DIR: as root it lies elsewhere. */
function clusterIn(folder: string): string {
  const named = join(folder, "LOCATION");
  return existsSync(named) ? readFileSync(named, "utf8").trim() : folder;
}

/** The processes of the servers in this folder, without what watches over them. */
const serversIn = (folder: string) =>
  processesOf(folder).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/comm`, "utf8").trim() === "postgres";
    } catch {
      return false;
    }
  });

function freeze(folder: string): number[] {
  const pids = serversIn(folder);
  expect(pids.length).toBeGreaterThan(1);
  for (const pid of pids) process.kill(pid, "SIGSTOP");
  return pids;
}

function thaw(pids: readonly number[]): void {
  for (const pid of pids) {
    try {
      process.kill(pid, "SIGCONT");
    } catch {
      // It has ended.
    }
  }
}

function newDataDir(onTestFinished: Finally): string {
  const folder = mkdtempSync(join(tmpdir(), "user-mirror-frozen-"));
  onTestFinished(async () => {
    const cluster = clusterIn(folder);
    killAtOnce(processesOf(cluster));
    while (processesOf(cluster).length > 0) await setTimeout(50);
    for (const one of [cluster, folder]) rmSync(one, { recursive: true, force: true });
  });
  return folder;
}

async function newSandbox(users: number, onTestFinished: Finally): Promise<Sandbox> {
  const sandbox = await startSandbox({ users });
  onTestFinished(sandbox.close);
  return sandbox;
}

/** How it ended, if it did within the time in which a supervisor wants a process to have ended. */
async function endedInTime(child: ChildProcess) {
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  const late = setTimeout(20_000, "late", { ref: false });
  return Promise.race([exited.then(([code]) => code), late]);
}

const isFilling = async (url: string) => {
  const text = await (await fetch(`${url}/readyz`)).text();
  return (JSON.parse(text) as { state: string }).state === "backfilling";
};

// Almost all of their time they wait, each for a server of its own: so they do it together.
describe.concurrent("while all processes of Postgres are stopped", { timeout: 120_000 }, () => {
  for (const during of ["serving", "a backfill"] as const) {
    const untilLive = during === "serving";
    const users = untilLive ? 20 : 5000;

    test(`SIGTERM ends a process with a Postgres of the user's own, in the middle of ${during}`, async ({
      expect,
      onTestFinished,
    }) => {
      const postgres = await startPostgres();
      onTestFinished(() => postgres.remove());
      const sandbox = await newSandbox(users, onTestFinished);
      const { child, url } = await spawnMirror({ sandbox, databaseUrl: postgres.url, untilLive });
      onTestFinished(() => void child.kill("SIGKILL"));
      expect(await isFilling(url)).toBe(!untilLive);
      const frozen = freeze(postgres.data);
      onTestFinished(() => thaw(frozen));
      expect(await endedInTime(child)).toBe(0);
    });

    test(`SIGTERM ends a process with the embedded one, in the middle of ${during}, and leaves nothing running`, async ({
      expect,
      onTestFinished,
    }) => {
      const folder = newDataDir(onTestFinished);
      const sandbox = await newSandbox(users, onTestFinished);
      const env = { DATA_DIR: folder };
      const { child, url } = await spawnMirror({ sandbox, databaseUrl: "", untilLive, env });
      onTestFinished(() => void child.kill("SIGKILL"));
      expect(await isFilling(url)).toBe(!untilLive);
      freeze(clusterIn(folder));
      expect(await endedInTime(child)).toBe(0);
      await expect.poll(() => processesOf(clusterIn(folder)), { timeout: 5000 }).toEqual([]);
    });
  }

  test("they end also when the process that runs them was killed", async ({ expect, onTestFinished }) => {
    const folder = newDataDir(onTestFinished);
    const sandbox = await newSandbox(5, onTestFinished);
    const { child } = await spawnMirror({ sandbox, databaseUrl: "", env: { DATA_DIR: folder } });
    onTestFinished(() => void child.kill("SIGKILL"));
    freeze(clusterIn(folder));
    child.kill("SIGKILL");
    await expect.poll(() => processesOf(clusterIn(folder)), { timeout: 60_000 }).toEqual([]);
  });
});
