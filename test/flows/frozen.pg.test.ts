// Covers src/runtime/server.ts, src/db/embedded/server.ts

import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { type Sandbox, startSandbox } from "../../src/sandbox/server.js";
import { startPostgres } from "../support/external-postgres.js";
import { spawnMirror } from "../support/mirror.js";
import { killAtOnce, processesOf } from "../support/processes.js";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

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

function newDataDir(): string {
  const folder = mkdtempSync(join(tmpdir(), "user-mirror-frozen-"));
  cleanups.push(async () => {
    const cluster = clusterIn(folder);
    killAtOnce(processesOf(cluster));
    await expect.poll(() => processesOf(cluster)).toEqual([]);
    for (const one of [cluster, folder]) rmSync(one, { recursive: true, force: true });
  });
  return folder;
}

async function newSandbox(users: number): Promise<Sandbox> {
  const sandbox = await startSandbox({ users });
  cleanups.push(sandbox.close);
  return sandbox;
}

async function externalPostgres() {
  const postgres = await startPostgres();
  cleanups.push(postgres.remove.bind(postgres));
  return postgres;
}

/** How it ended, if it did within the time in which a supervisor wants a process to have ended. */
async function endedInTime(child: ChildProcess) {
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  const late = new Promise((resolve) => setTimeout(resolve, 20_000, "late"));
  return Promise.race([exited.then(([code]) => code), late]);
}

const isFilling = async (url: string) => {
  const text = await (await fetch(`${url}/readyz`)).text();
  return (JSON.parse(text) as { state: string }).state === "backfilling";
};

describe("SIGTERM, while all processes of Postgres are stopped, ends", { timeout: 90_000 }, () => {
  for (const during of ["serving", "a backfill"] as const) {
    const untilLive = during === "serving";
    const users = untilLive ? 20 : 5000;

    test(`a process with a Postgres of the user's own, in the middle of ${during}`, async () => {
      const postgres = await externalPostgres();
      const sandbox = await newSandbox(users);
      const { child, url } = await spawnMirror({ sandbox, databaseUrl: postgres.url, untilLive });
      cleanups.push(() => child.kill("SIGKILL"));
      expect(await isFilling(url)).toBe(!untilLive);
      const frozen = freeze(postgres.data);
      cleanups.push(() => thaw(frozen));
      expect(await endedInTime(child)).toBe(0);
    });

    test(`a process with the embedded one, in the middle of ${during}, and leaves nothing running`, async () => {
      const folder = newDataDir();
      const sandbox = await newSandbox(users);
      const env = { DATA_DIR: folder };
      const { child, url } = await spawnMirror({ sandbox, databaseUrl: "", untilLive, env });
      cleanups.push(() => child.kill("SIGKILL"));
      expect(await isFilling(url)).toBe(!untilLive);
      freeze(clusterIn(folder));
      expect(await endedInTime(child)).toBe(0);
      await expect.poll(() => processesOf(clusterIn(folder)), { timeout: 5000 }).toEqual([]);
    });
  }
});

test("a server that is stopped ends also when its process was killed", { timeout: 90_000 }, async () => {
  const folder = newDataDir();
  const sandbox = await newSandbox(5);
  const { child } = await spawnMirror({ sandbox, databaseUrl: "", env: { DATA_DIR: folder } });
  cleanups.push(() => child.kill("SIGKILL"));
  freeze(clusterIn(folder));
  child.kill("SIGKILL");
  await expect.poll(() => processesOf(clusterIn(folder)), { timeout: 60_000 }).toEqual([]);
});
