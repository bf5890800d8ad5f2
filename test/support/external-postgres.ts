import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { promisify } from "node:util";
import postgres from "postgres";
import { embeddedBinaries, unprivilegedUser } from "../../src/db/embedded/binaries.js";
import { PGBOUNCER, POSTGRES_15 } from "./system-packages.js";

/** A server of Debian's PostgreSQL 15, the oldest that the mirror supports: for `*.system.test.ts`. */
export const startPostgres15 = () => startPostgres(POSTGRES_15);

/**
 * A server with a database `mirror` that stands in for the user's own: reached by `DATABASE_URL`, stopped and started by
 * somebody else. Of the embedded version unless `bin` names other programs. `prepare` may write into its folder before
 * it starts.
 */
export async function startPostgres(
  bin = embeddedBinaries(unprivilegedUser()).bin,
  prepare: (data: string) => void = () => {},
) {
  const user = unprivilegedUser();
  const runAs = user ?? {};
  const folder = mkdtempSync(join(tmpdir(), "user-mirror-postgres-"));
  if (user) chownSync(folder, user.uid, user.gid);
  const data = join(folder, "data");
  const run = promisify(execFile);
  await run(
    join(bin, "initdb"),
    ["-D", data, "-U", "mirror", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"],
    {
      ...runAs,
      cwd: "/",
    },
  );
  const port = await freePort();
  writeFileSync(
    join(data, "postgresql.auto.conf"),
    `port = ${port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\nfsync = off\n`,
  );
  prepare(data);

  async function start() {
    const child = spawn(join(bin, "postgres"), ["-D", data], { ...runAs, cwd: "/", stdio: "ignore" });
    while (!isReady()) {
      if (child.exitCode !== null) throw new Error(`Postgres ended with ${child.exitCode}`);
      await setTimeout(25);
    }
    return child;
  }
  function isReady(): boolean {
    try {
      return readFileSync(join(data, "postmaster.pid"), "utf8").split("\n")[7]?.trim() === "ready";
    } catch {
      return false;
    }
  }

  let child = await start();
  const url = `postgres://mirror@127.0.0.1:${port}/mirror`;
  const admin = postgres(`postgres://mirror@127.0.0.1:${port}/postgres`, { max: 1 });
  await admin`create database mirror`;
  await admin.end();
  return {
    url,
    data,
    /** Stops it as its administrator would, cutting all connections. */
    async stop() {
      const exited = once(child, "exit");
      child.kill("SIGINT");
      await exited;
    },
    async start() {
      child = await start();
    },
    async remove() {
      if (child.exitCode === null) await this.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A hot standby of a server, which is stopped for the copy. */
export async function startStandby(primary: Awaited<ReturnType<typeof startPostgres>>) {
  const { bin } = embeddedBinaries(unprivilegedUser());
  const user = unprivilegedUser();
  const runAs = user ?? {};
  const folder = mkdtempSync(join(tmpdir(), "user-mirror-standby-"));
  const data = join(folder, "data");
  const { port: primaryPort } = new URL(primary.url);
  await primary.stop();
  const run = promisify(execFile);
  await run("cp", ["-a", primary.data, data]);
  if (user) chownSync(folder, user.uid, user.gid);
  await primary.start();
  const port = await freePort();
  writeFileSync(
    join(data, "postgresql.auto.conf"),
    `port = ${port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\nfsync = off\n` +
      `primary_conninfo = 'host=127.0.0.1 port=${primaryPort} user=mirror'\n`,
  );
  writeFileSync(join(data, "standby.signal"), "");
  const child = spawn(join(bin, "postgres"), ["-D", data], { ...runAs, cwd: "/", stdio: "ignore" });
  const url = `postgres://mirror@127.0.0.1:${port}/mirror`;
  const admin = postgres(url, { max: 1, onnotice: () => {} });
  for (;;) {
    if (child.exitCode !== null) throw new Error(`the standby ended with ${child.exitCode}`);
    if (await admin`select`.catch(() => null)) break;
    await setTimeout(50);
  }
  return {
    url,
    async promote() {
      await admin`select pg_promote()`;
    },
    async remove() {
      await admin.end({ timeout: 0 });
      const exited = once(child, "exit");
      child.kill("SIGINT");
      if (child.exitCode === null) await exited;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Debian's PgBouncer before a database. */
export async function startPgBouncer(url: string, mode: "session" | "transaction") {
  const { hostname, port: serverPort } = new URL(url);
  const user = unprivilegedUser();
  const folder = mkdtempSync(join(tmpdir(), "user-mirror-pgbouncer-"));
  const port = await freePort();
  const config = join(folder, "pgbouncer.ini");
  writeFileSync(
    config,
    `[databases]\n* = host=${hostname} port=${serverPort} user=mirror\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = ${port}\n` +
      `unix_socket_dir =\nauth_type = any\npool_mode = ${mode}\n`,
  );
  if (user) for (const path of [folder, config]) chownSync(path, user.uid, user.gid);
  const child = spawn(PGBOUNCER, ["-q", config], { ...user, cwd: "/", stdio: "ignore" });
  await once(child, "spawn");
  const pooled = new URL(url);
  pooled.port = String(port);
  while (!(await accepts(port))) {
    if (child.exitCode !== null) throw new Error(`PgBouncer ended with ${child.exitCode}`);
    await setTimeout(25);
  }
  return {
    url: pooled.href,
    async remove() {
      const exited = once(child, "exit");
      child.kill("SIGTERM");
      await exited;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  return typeof address === "object" && address ? address.port : freePort();
}
