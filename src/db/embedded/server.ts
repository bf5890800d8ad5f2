import { type ChildProcess, execFileSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { totalmem } from "node:os";
import { join } from "node:path";
import { endsWithin, sleep } from "../../lib/async.js";
import type { RunAs } from "./binaries.js";
import type { Cluster } from "./cluster.js";
import { isPostmaster, readPidFile, removeStalePidFile } from "./pid-file.js";
import { spawnWatched, type Watched } from "./watched.js";

/** A server on the cluster: started by us (`child` is its watcher), or by another process. */
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
  /** The port on which it must listen. Without it: the last one, or any. */
  port?: number;
  signal?: AbortSignal;
}

const POLL_MS = 25;
/** A crashed server has to redo at most `max_wal_size`, which takes minutes on slow disks. */
const RECOVERY_TIMEOUT_MS = 600_000;
/** Within this time the processes of a killed server have noticed, and another server that is starting is done. */
const CONFLICT_TIMEOUT_MS = 60_000;

/** Starts the server, or finds the one that another process runs on the same cluster. */
export async function startServer(options: ServerOptions): Promise<Server> {
  const { data } = options.cluster;
  const begunAt = Date.now();
  let port = options.port ?? savedPort(data) ?? (await freePort());
  for (;;) {
    const file = readPidFile(data);
    const alive = file !== null && isPostmaster(file.pid, data);
    if (alive && file.ready) return { pid: file.pid, port: file.port, child: null };
    let printed = "another process starts it";
    if (!alive) {
      const attempt = spawnServer(options, port);
      const pid = await untilReady(attempt, data, file?.version ?? null, options.signal);
      if (pid !== null) {
        savePort(data, port);
        return { pid, port, child: attempt.child };
      }
      printed = attempt.printed().trim();
      if (/Address already in use|could not bind/.test(printed) && options.port === undefined) {
        port = await freePort();
      } else if (/lock file "postmaster.pid" already exists|pre-existing shared memory/.test(printed)) {
        removeStalePidFile(data);
      } else throw new Error(`the embedded Postgres did not start: ${reason(printed)}`);
    }
    if (Date.now() - begunAt > (alive ? RECOVERY_TIMEOUT_MS : CONFLICT_TIMEOUT_MS)) {
      throw new Error(`the embedded Postgres did not start in time: ${reason(printed)}`);
    }
    await sleep(100, options.signal);
  }
}

/**
 * Ends a server that `startServer` started, cleanly, through its watcher. Kills one that doesn't end within
 * `withinMs`, as a server whose processes are stopped never would.
 */
export async function stopServer({ child, pid }: Server, withinMs: number): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  child.ref();
  const exited = once(child, "exit");
  child.stdin?.end();
  if (await endsWithin(exited, withinMs)) return;
  killServer(pid);
  await endsWithin(exited, KILLED_MS);
  child.unref();
}

/** A process that the kernel holds, in a disk that hangs for instance, isn't waited for. */
const KILLED_MS = 1000;

/**
 * Kills the first process first, because it would start the others again. What it leaves would hold the cluster's
 * memory.
 */
function killServer(pid: number): void {
  for (const one of [pid, ...childrenOf(pid)]) {
    try {
      process.kill(one, "SIGKILL");
    } catch {
      // It has just ended.
    }
  }
}

function childrenOf(parent: number): number[] {
  if (process.platform !== "linux") {
    const all = execFileSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" });
    const pairs = all.split("\n").map((line) => line.trim().split(/\s+/).map(Number));
    return pairs.flatMap(([pid, of]) => (pid && of === parent ? [pid] : []));
  }
  return readdirSync("/proc").flatMap((name) => {
    try {
      // After the program's name in parentheses, which may contain anything, come its state and its parent.
      const [, of] = readFileSync(`/proc/${Number(name)}/stat`, "utf8")
        .replace(/^.*\) /s, "")
        .split(" ");
      return Number(of) === parent ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
}

function spawnServer({ cluster, bin, runAs, durable, settings, onLog }: ServerOptions, port: number) {
  const all = { ...SETTINGS, ...(durable ? {} : NOT_DURABLE), ...settings };
  const watched = spawnWatched(
    [
      ...[join(bin, "postgres"), "-D", cluster.data, "-p", String(port)],
      ...Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
    ],
    runAs,
    onLog,
  );
  // Neither the server nor its pipes keep our process alive.
  watched.child.unref();
  for (const stream of watched.child.stdio) {
    if (stream && "unref" in stream) (stream.unref as () => void)();
  }
  return watched;
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
  // The shipped defaults are meant for a machine of twenty years ago.
  shared_buffers: `${Math.floor(Math.min(totalmem() / 4, 2048 * MIB) / MIB)}MB`,
  work_mem: "32MB",
  max_wal_size: "4GB",
  jit: "off",
};
const NOT_DURABLE = { fsync: "off", synchronous_commit: "off", full_page_writes: "off" };

/**
 * The pid once the server takes connections, or null if it ended before. `left` is the version of the file that was
 * there before.
 */
async function untilReady(
  { child, pid }: Watched,
  data: string,
  left: string | null,
  signal: AbortSignal | undefined,
) {
  const begunAt = Date.now();
  while (child.exitCode === null && child.signalCode === null) {
    const file = readPidFile(data);
    // A file that a dead server left says "ready" too, and in a container it may even hold our server's own pid.
    if (file?.ready && file.pid === pid() && file.version !== left) return file.pid;
    if (signal?.aborted || Date.now() - begunAt > RECOVERY_TIMEOUT_MS) child.stdin?.end();
    await sleep(POLL_MS);
  }
  return null;
}

/** Postgres says in these lines what is wrong. The rest are times, and hints for its administrator. */
function reason(printed: string): string {
  const lines = printed.split("\n").filter((line) => /FATAL|ERROR|PANIC|DETAIL|postgres:/.test(line));
  return lines.map((line) => line.replace(/^.*?(FATAL|ERROR|PANIC|DETAIL): */, "")).join("; ") || printed;
}

function savedPort(data: string): number | null {
  try {
    const port = Number(readFileSync(join(data, "mirror.port"), "utf8"));
    return Number.isInteger(port) && port >= 1024 && port <= 65_535 ? port : null;
  } catch {
    return null;
  }
}

/** Writes the file as a whole or not at all. */
function savePort(data: string, port: number): void {
  if (savedPort(data) === port) return;
  const written = join(data, `mirror.port.${process.pid}`);
  writeFileSync(written, `${port}\n`, { mode: 0o600 });
  renameSync(written, join(data, "mirror.port"));
}

async function freePort(): Promise<number> {
  const probe = createServer();
  probe.listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  return typeof address === "object" && address ? address.port : freePort();
}
