import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { totalmem } from "node:os";
import { join } from "node:path";
import { sleep } from "../lib/async.js";
import type { RunAs } from "./embedded-binaries.js";
import { CLEAN_ENVIRONMENT, type Cluster } from "./embedded-cluster.js";

/** A server on the cluster: started by us (`child`), or another process's. */
export interface Server {
  pid: number;
  port: number;
  child: ChildProcess | null;
}

export interface ServerOptions {
  cluster: Cluster;
  bin: string;
  runAs: RunAs | null;
  durable: boolean;
  settings: Readonly<Record<string, string>>;
  onLog: (text: string) => void;
}

const POLL_MS = 25;
const START_TIMEOUT_MS = 60_000;

/**
 * Runs the server and ends it when our end of the pipe on its standard input closes, which the kernel does however we
 * die. Until then it is out of reach of the terminal's Ctrl-C: it stops after we have drained.
 */
const WATCHER = `exec 3<&0 </dev/null
"$@" 3<&- & pid=$!
trap 'kill -INT $pid 2>/dev/null' INT TERM HUP
( read -r _ <&3; kill -INT $pid 2>/dev/null ) & reader=$!
exec 3<&-
while :; do wait $pid; code=$?; kill -0 $pid 2>/dev/null || break; done
kill $reader 2>/dev/null
exit $code`;

/** Starts the server, or finds the one that another process runs on the same cluster. */
export async function startServer(options: ServerOptions): Promise<Server> {
  const { cluster } = options;
  const deadline = Date.now() + START_TIMEOUT_MS;
  let port = savedPort(cluster) ?? (await freePort());
  for (;;) {
    const running = runningServer(cluster.data);
    if (running) return { ...running, child: null };
    const attempt = spawnServer(options, port);
    const started = await untilReady(attempt.child, cluster.data, port);
    if (started) {
      writeFileSync(join(cluster.data, "mirror.port"), `${port}\n`, { mode: 0o600 });
      return { ...started, child: attempt.child };
    }
    const printed = attempt.printed();
    if (/Address already in use|could not bind/.test(printed)) port = await freePort();
    else if (/lock file "postmaster.pid" already exists|pre-existing shared memory/.test(printed)) {
      removeStalePidFile(cluster.data);
      await sleep(100);
    } else throw new Error(`the embedded Postgres did not start: ${printed.trim()}`);
    if (Date.now() > deadline)
      throw new Error(`the embedded Postgres did not start in a minute: ${printed.trim()}`);
  }
}

/** The server of this cluster that is ready for connections, if there is one. */
export function runningServer(data: string): { pid: number; port: number } | null {
  const file = readPidFile(data);
  return file?.ready && isPostmaster(file.pid, data) ? { pid: file.pid, port: file.port } : null;
}

/** Ends a server that `startServer` started, fast and cleanly; after 10 seconds hard. */
export async function stopServer({ pid, child }: Server): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  child.ref();
  const exited = once(child, "exit");
  child.stdin?.end();
  const timer = setTimeout(() => process.kill(pid, "SIGQUIT"), 10_000);
  await exited;
  clearTimeout(timer);
}

function spawnServer({ cluster, bin, runAs, durable, settings, onLog }: ServerOptions, port: number) {
  const all = { ...SETTINGS, ...(durable ? {} : NOT_DURABLE), ...settings };
  const child = spawn(
    "/bin/sh",
    [
      ...["-c", WATCHER, "postgres", join(bin, "postgres"), "-D", cluster.data, "-p", String(port)],
      ...Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
    ],
    {
      cwd: "/",
      env: CLEAN_ENVIRONMENT,
      stdio: ["pipe", "ignore", "pipe"],
      detached: true,
      ...(runAs ?? {}),
    },
  );
  let printed = "";
  child.stderr.on("data", (chunk: Buffer) => {
    printed = (printed + chunk).slice(-8192);
    onLog(String(chunk));
  });
  // Neither the server nor its pipes keep our process alive.
  child.unref();
  for (const stream of [child.stdin, child.stderr]) if ("unref" in stream) (stream.unref as () => void)();
  return { child, printed: () => printed };
}

const MIB = 2 ** 20;
const SETTINGS = {
  listen_addresses: "127.0.0.1",
  // A socket's path must stay under 108 bytes, which that of a data directory may not.
  unix_socket_directories: "",
  max_connections: "200",
  password_encryption: "scram-sha-256",
  log_min_messages: "warning",
  timezone: "UTC",
  // The shipped defaults are for a machine of twenty years ago.
  shared_buffers: `${Math.floor(Math.min(totalmem() / 4, 2048 * MIB) / MIB)}MB`,
  work_mem: "32MB",
  max_wal_size: "4GB",
  jit: "off",
};
const NOT_DURABLE = { fsync: "off", synchronous_commit: "off", full_page_writes: "off" };

async function untilReady(child: ChildProcess, data: string, port: number) {
  while (child.exitCode === null && child.signalCode === null) {
    const file = readPidFile(data);
    if (file?.ready && file.port === port) return { pid: file.pid, port };
    await sleep(POLL_MS);
  }
  return null;
}

/** `postmaster.pid`: the server's pid in line 1, its port in line 4, `ready` in line 8 once it takes connections. */
function readPidFile(data: string): { pid: number; port: number; ready: boolean } | null {
  try {
    const lines = readFileSync(join(data, "postmaster.pid"), "utf8").split("\n");
    return { pid: Number(lines[0]), port: Number(lines[3]), ready: lines[7]?.trim() === "ready" };
  } catch {
    return null;
  }
}

/** After a crash the file stays, and its pid may meanwhile be any other program's. */
function removeStalePidFile(data: string): void {
  const file = readPidFile(data);
  if (file && !isPostmaster(file.pid, data)) rmSync(join(data, "postmaster.pid"), { force: true });
}

function isPostmaster(pid: number, data: string): boolean {
  try {
    const command =
      process.platform === "linux"
        ? readFileSync(`/proc/${pid}/cmdline`, "utf8")
        : execFileSync("ps", ["-o", "args=", "-p", String(pid)], { encoding: "utf8" });
    return command.includes("postgres") && command.includes(data);
  } catch {
    return false;
  }
}

function savedPort({ data }: Cluster): number | null {
  try {
    return Number(readFileSync(join(data, "mirror.port"), "utf8")) || null;
  } catch {
    return null;
  }
}

async function freePort(): Promise<number> {
  const probe = createServer();
  probe.listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  return typeof address === "object" && address ? address.port : freePort();
}
