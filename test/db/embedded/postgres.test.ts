// Covers src/db/embedded/{binaries,folder}.ts

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { unprivilegedUser } from "../../../src/db/embedded/binaries.js";
import { embeddedLocation } from "../../../src/db/embedded/cluster.js";
import {
  type EmbeddedPostgres,
  removeEmbedded,
  startEmbeddedPostgres,
} from "../../../src/db/embedded/postgres.js";
import { embeddedReady, queryOnce, spawnEmbedded } from "../../support/embedded-process.js";
import { program } from "../../support/programs.js";

const FAST = { durable: false, settings: { shared_buffers: "16MB" } };
let folder: string;
const started: EmbeddedPostgres[] = [];
const children: ChildProcess[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "user mirror ü "));
});
afterEach(async () => {
  for (const child of children.splice(0)) await ended(child, "SIGKILL");
  for (const embedded of started.splice(0)) await embedded.stop();
  await expect.poll(() => attempt(() => removeEmbedded(folder))).toBeNull();
  rmSync(folder, { recursive: true, force: true });
});

async function start(dataDir = folder): Promise<EmbeddedPostgres> {
  const embedded = await startEmbeddedPostgres({ dataDir, ...FAST });
  started.push(embedded);
  return embedded;
}

/** Another process with the embedded Postgres of this folder. */
async function startChild(): Promise<{ child: ChildProcess; url: string; attached: boolean }> {
  const child = spawnEmbedded(folder);
  children.push(child);
  return { child, ...(await embeddedReady(child)) };
}

async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill(signal);
  await exited;
}

function attempt(work: () => void): unknown {
  try {
    work();
    return null;
  } catch (error) {
    return error;
  }
}

const pidFile = () => join(embeddedLocation(folder, unprivilegedUser()), "data", "postmaster.pid");

describe("the embedded Postgres", () => {
  test("runs under a path with a space and an umlaut, and knows letters of all scripts", async () => {
    const { url, locale, attached } = await start();
    expect(attached).toBe(false);
    expect(locale).toMatch(/UTF-8$/);
    await queryOnce(url, "create extension pg_trgm");
    const [row] = await queryOnce<{ n: number }>(url, "select cardinality(show_trgm('王小明')) as n");
    expect(row?.n).toBeGreaterThan(0);
  });

  test("takes nobody without the password, and listens on loopback alone", async () => {
    const { url } = await start();
    await expect(queryOnce(url.replace(/:[^:@]+@/, ":wrong@"), "select 1")).rejects.toThrow(/password/);
    expect(await queryOnce(url, "show listen_addresses")).toEqual([{ listen_addresses: "127.0.0.1" }]);
    expect(
      await queryOnce(url, "select count(*)::int as n from pg_hba_file_rules where auth_method = 'trust'"),
    ).toEqual([{ n: 0 }]);
  });

  test("two that start at once end with one server, and both can use it", async () => {
    const [a, b] = await Promise.all([start(), start()]);
    expect(a.url).toBe(b.url);
    expect([a.attached, b.attached].sort()).toEqual([false, true]);
    expect(await queryOnce(a.url, "select 1 as n")).toEqual(await queryOnce(b.url, "select 1 as n"));
  });

  test("keeps its data and its address over a restart", async () => {
    const first = await start();
    await queryOnce(first.url, "create table kept (n int)");
    await first.stop();
    started.pop();
    const second = await start();
    expect(second.url).toBe(first.url);
    expect(await queryOnce(second.url, "select * from kept")).toEqual([]);
  });

  test("ends with the process that runs it, even by kill -9, and the next start recovers", async () => {
    const { child, url } = await startChild();
    await queryOnce(url, "create table kept (n int)");
    const pid = Number(readFileSync(pidFile(), "utf8").split("\n")[0]);
    await ended(child, "SIGKILL");
    await expect.poll(() => existsSync(`/proc/${pid}`), { timeout: 10_000 }).toBe(false);
    const { url: again } = await start();
    expect(await queryOnce(again, "select * from kept")).toEqual([]);
  });

  test("a process that attached starts it again, at the same address, when its owner ends", async () => {
    const { child, url } = await startChild();
    const mine = await start();
    expect(mine.attached).toBe(true);
    child.stdin?.end();
    await once(child, "exit");
    await expect
      .poll(() => queryOnce(url, "select 1 as n").catch(() => null), { timeout: 20_000 })
      .toEqual([{ n: 1 }]);
    // The server answers before the process that started it has seen that it does.
    await expect.poll(() => mine.attached, { timeout: 20_000 }).toBe(false);
  });

  test("a pid file that a crash left behind doesn't keep it from starting, whoever has that pid now", async () => {
    const first = await start();
    await first.stop();
    started.pop();
    // This test's own process: alive, and no Postgres.
    writeFileSync(pidFile(), `${process.pid}\n/nowhere\n1\n5432\n\n127.0.0.1\n\nready   \n`);
    const { url } = await start();
    expect(await queryOnce(url, "select 1 as n")).toEqual([{ n: 1 }]);
  });

  test("is not removed while it runs", async () => {
    const { location } = await start();
    expect(attempt(() => removeEmbedded(folder))).toMatchObject({ code: "configuration" });
    await started.pop()?.stop();
    removeEmbedded(folder);
    expect(existsSync(location)).toBe(false);
  });

  // Where the tests themselves run as an ordinary user, all of the above has shown the second already.
  if (process.getuid?.() === 0) {
    test("as root it lives under /var/lib, and DATA_DIR says where", async () => {
      const { location } = await start();
      expect(location).toMatch(/^\/var\/lib\/user-mirror\//);
      expect(readFileSync(join(folder, "LOCATION"), "utf8")).toBe(`${location}\n`);
    });

    test("an ordinary user runs it in DATA_DIR, from binaries it may not write", async () => {
      chmodSync(folder, 0o755);
      const dataDir = join(folder, "data of a user");
      mkdirSync(dataDir);
      const NOBODY = 65_534;
      chownSync(dataDir, NOBODY, NOBODY);
      const child = spawn(process.execPath, [program("test/support/embedded-child.ts"), dataDir], {
        cwd: dataDir,
        uid: NOBODY,
        gid: NOBODY,
        env: { ...process.env, HOME: dataDir, TMPDIR: dataDir },
        stdio: ["pipe", "pipe", "inherit"],
      });
      children.push(child);
      const [line] = await once(createInterface({ input: child.stdout }), "line");
      const { url } = JSON.parse(String(line));
      expect(await queryOnce(url, "select 1 as n")).toEqual([{ n: 1 }]);
      expect(existsSync(join(dataDir, "postgres", "data", "PG_VERSION"))).toBe(true);
      child.stdin?.end();
      await once(child, "exit");
    });
  }
});
