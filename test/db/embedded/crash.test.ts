// Covers src/db/embedded/{server,cluster,pid-file,watched}.ts

import { type ChildProcess, execFileSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { embeddedBinaries, unprivilegedUser } from "../../../src/db/embedded/binaries.js";
import { embeddedLocation } from "../../../src/db/embedded/cluster.js";
import {
  type EmbeddedPostgres,
  removeEmbedded,
  startEmbeddedPostgres,
} from "../../../src/db/embedded/postgres.js";
import { embeddedReady, queryOnce, spawnEmbedded } from "../../support/embedded-process.js";
import { killAtOnce, processesOf } from "../../support/processes.js";

let folder: string;
const started: EmbeddedPostgres[] = [];
const children: ChildProcess[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "user-mirror-crash-"));
});
afterEach(async () => {
  for (const child of children.splice(0)) if (child.exitCode === null) child.kill("SIGKILL");
  for (const embedded of started.splice(0)) await embedded.stop();
  await nothingRuns();
  removeEmbedded(folder);
  rmSync(folder, { recursive: true, force: true });
});

const location = () => embeddedLocation(folder, unprivilegedUser());
const inData = (name: string) => join(location(), "data", name);
const nothingRuns = () => expect.poll(() => processesOf(location()), { timeout: 60_000 }).toEqual([]);

async function start(dataDir = folder): Promise<EmbeddedPostgres> {
  const embedded = await startEmbeddedPostgres({
    dataDir,
    durable: false,
    settings: { shared_buffers: "16MB" },
  });
  started.push(embedded);
  return embedded;
}

async function stop(): Promise<void> {
  await started.pop()?.stop();
}

/** A process that starts the embedded Postgres of this folder. */
function spawnChild(): ChildProcess {
  const child = spawnEmbedded(folder);
  children.push(child);
  return child;
}

describe("after a crash of everything at once", () => {
  test("the first start recovers, each time", { timeout: 180_000 }, async () => {
    await queryOnce((await start()).url, "create table kept (n int)");
    await stop();
    for (let run = 0; run < 4; run++) {
      const child = spawnChild();
      const { url } = await embeddedReady(child);
      await queryOnce(url, `insert into kept values (${run})`);
      // Tests run without `synchronous_commit`.
      await queryOnce(url, "checkpoint");
      killAtOnce([child.pid ?? 0, ...processesOf(location())]);
      await nothingRuns();
      expect(existsSync(inData("postmaster.pid"))).toBe(true);
      const again = await start();
      expect(await queryOnce(again.url, "select count(*)::int as n from kept")).toEqual([{ n: run + 1 }]);
      await stop();
    }
  });

  test("two processes that start together end with one server, and both can use it", async () => {
    const child = spawnChild();
    await embeddedReady(child);
    killAtOnce([child.pid ?? 0, ...processesOf(location())]);
    const [a, b] = await Promise.all([start(), start()]);
    expect(a.url).toBe(b.url);
    expect(await queryOnce(a.url, "select 1 as n")).toEqual([{ n: 1 }]);
  });

  test("a process that was attached brings the server back at the same address", async () => {
    const child = spawnChild();
    const { url } = await embeddedReady(child);
    const mine = await start();
    expect(mine.attached).toBe(true);
    killAtOnce([child.pid ?? 0, ...processesOf(location())]);
    await expect
      .poll(() => queryOnce(url, "select 1 as n").catch(() => null), { timeout: 30_000 })
      .toEqual([{ n: 1 }]);
    // The server answers before the process that started it has seen that it does.
    await expect.poll(() => mine.attached, { timeout: 30_000 }).toBe(false);
  });

  test.each([
    ["this process", () => process.pid],
    ["the server of another cluster", () => Number(readFileSync(otherPidFile, "utf8").split("\n")[0])],
    ["nobody", () => 2 ** 22 + 1],
  ])("a pid file that says ready, of a pid that is now %s, is not believed", async (_, pid) => {
    const other = mkdtempSync(join(tmpdir(), "user-mirror-other-"));
    const beside = await start(other);
    otherPidFile = join(beside.location, "data", "postmaster.pid");
    const { url } = await start();
    await stop();
    const { port } = new URL(url);
    writeFileSync(
      inData("postmaster.pid"),
      `${pid()}\n${inData("")}\n1700000000\n${port}\n\n127.0.0.1\n  1 2\nready   \n`,
    );
    const again = await start();
    expect(again.attached).toBe(false);
    expect(await queryOnce(again.url, "select 1 as n")).toEqual([{ n: 1 }]);
    expect(await queryOnce(beside.url, "select 1 as n")).toEqual([{ n: 1 }]);
    await stop();
    await stop();
    removeEmbedded(other);
    rmSync(other, { recursive: true });
  });
  let otherPidFile = "";
});

describe("a process that dies while it starts", () => {
  test.each([0, 400, 800, 1300, 1900])(
    "%i ms after it began leaves nothing running, and the next start works",
    async (ms) => {
      const child = spawnChild();
      // Reading the program takes its time: the moments count from when it has begun.
      while (!existsSync(location())) await setTimeout(5);
      await setTimeout(ms);
      child.kill("SIGKILL");
      await nothingRuns();
      const { url } = await start();
      expect(await queryOnce(url, "select 1 as n")).toEqual([{ n: 1 }]);
      expect(readdirSync(location())).toEqual(["data"]);
    },
  );

  test("and whose server has its cluster already leaves nothing running either", async () => {
    await start();
    await stop();
    for (const ms of [0, 30, 100]) {
      const child = spawnChild();
      while (!processesOf(location()).some((pid) => pid !== child.pid)) await setTimeout(1);
      await setTimeout(ms);
      child.kill("SIGKILL");
      await nothingRuns();
    }
    expect(await queryOnce((await start()).url, "select 1 as n")).toEqual([{ n: 1 }]);
  });
});

describe("what a crash or a person left in DATA_DIR", () => {
  test.each(["", "54", "99999999"])("a saved port of %j is no obstacle", async (port) => {
    await start();
    await stop();
    writeFileSync(inData("mirror.port"), port);
    expect(await queryOnce((await start()).url, "select 1 as n")).toEqual([{ n: 1 }]);
  });

  test("a password file that is empty or torn is made anew, and the data stay", async () => {
    const { url } = await start();
    await queryOnce(url, "create table kept (n int)");
    await stop();
    for (const spoil of [
      () => writeFileSync(inData("mirror.password"), ""),
      () => writeFileSync(inData("mirror.password"), "Zm9vYmFy"),
      () => rmSync(inData("mirror.password")),
    ]) {
      spoil();
      const again = await start();
      expect(await queryOnce(again.url, "select * from kept")).toEqual([]);
      expect(statSync(inData("mirror.password")).mode & 0o777).toBe(0o600);
      await stop();
    }
  });

  test("another program on the saved port makes it move", async () => {
    const { url } = await start();
    const port = Number(new URL(url).port);
    await stop();
    const taker = createServer().listen(port, "127.0.0.1");
    await once(taker, "listening");
    const moved = await start();
    expect(moved.url).not.toBe(url);
    expect(await queryOnce(moved.url, "select 1 as n")).toEqual([{ n: 1 }]);
    taker.close();
  });

  test("a folder that others may look into is closed again", async () => {
    await start();
    await stop();
    chmodSync(inData(""), 0o755);
    expect(await queryOnce((await start()).url, "select 1 as n")).toEqual([{ n: 1 }]);
    expect(statSync(inData("")).mode & 0o777).toBe(0o700);
  });

  test("one that comes by a symbolic link finds the server that runs", async () => {
    if (unprivilegedUser()) return;
    const { url } = await start();
    symlinkSync(folder, `${folder}-link`);
    const other = await start(`${folder}-link`);
    expect(other).toMatchObject({ attached: true, url });
    rmSync(`${folder}-link`);
  });

  test("something else in the place of the data is refused and left alone", async () => {
    mkdirSync(inData(""), { recursive: true });
    writeFileSync(inData("diary"), "mine");
    await expect(start()).rejects.toMatchObject({
      code: "configuration",
      message: expect.stringContaining("DATA_DIR"),
    });
    expect(readFileSync(inData("diary"), "utf8")).toBe("mine");
    rmSync(inData("diary"));
  });
});

describe("programs that were copied halfway", () => {
  test("are copied again", () => {
    const user = unprivilegedUser();
    if (!user) return;
    const { bin } = embeddedBinaries(user);
    const program = join(bin, "pg_ctl");
    const whole = readFileSync(program);
    // Written beside and renamed, as a program that runs can't be written to.
    writeFileSync(`${program}.torn`, whole.subarray(0, 100));
    execFileSync("mv", [`${program}.torn`, program]);
    embeddedBinaries(user);
    expect(readFileSync(program).equals(whole)).toBe(true);
  });
});

describe("a DATA_DIR that can't be used", () => {
  const refusal = { code: "configuration", message: expect.stringContaining("DATA_DIR") };

  test("in /proc is refused at once", async () => {
    await expect(start("/proc/user-mirror/data")).rejects.toMatchObject(refusal);
  });

  test("that is a file is refused", async () => {
    writeFileSync(join(folder, "file"), "");
    await expect(start(join(folder, "file"))).rejects.toMatchObject(refusal);
    await expect(start(join(folder, "file", "below"))).rejects.toMatchObject(refusal);
  });
});
