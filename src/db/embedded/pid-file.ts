import { execFileSync } from "node:child_process";
import { readFileSync, readlinkSync, renameSync, rmSync, statSync } from "node:fs";
import { basename, join } from "node:path";

/** The server of this cluster that is ready for connections, if there is one. */
export function runningServer(data: string): { pid: number; port: number } | null {
  const file = readPidFile(data);
  return file?.ready && isPostmaster(file.pid, data) ? { pid: file.pid, port: file.port } : null;
}

/** The pid of this cluster's server, also while it starts or ends. */
export function livingServer(data: string): number | null {
  const file = readPidFile(data);
  return file && isPostmaster(file.pid, data) ? file.pid : null;
}

/** What a server says of itself in its data directory. */
export interface PidFile {
  pid: number;
  port: number;
  /** Whether it takes connections. */
  ready: boolean;
  /** Changes whenever the file is written. */
  version: string;
}

/** `postmaster.pid`: the server's pid in line 1, its port in line 4, `ready` in line 8 once it takes connections. */
export function readPidFile(data: string, name = "postmaster.pid"): PidFile | null {
  try {
    const { ino, mtimeNs } = statSync(join(data, name), { bigint: true });
    const lines = readFileSync(join(data, name), "utf8").split("\n");
    return {
      pid: Number(lines[0]),
      port: Number(lines[3]),
      ready: lines[7]?.trim() === "ready",
      version: `${ino}/${mtimeNs}`,
    };
  } catch {
    return null;
  }
}

/**
 * Removes a file that a crash has left. Its pid may meanwhile be any other program's. The file is moved away first
 * and examined then; a server that started in between gets it back.
 */
export function removeStalePidFile(data: string): void {
  const aside = `postmaster.pid.${process.pid}`;
  const file = readPidFile(data);
  if (!file || isPostmaster(file.pid, data)) return;
  try {
    renameSync(join(data, "postmaster.pid"), join(data, aside));
  } catch {
    return;
  }
  if (readPidFile(data, aside)?.version === file.version) rmSync(join(data, aside), { force: true });
  else renameSync(join(data, aside), join(data, "postmaster.pid"));
}

/**
 * Whether this is the first process of a server on this cluster, and not another cluster's, one of its backends, or a
 * watcher.
 */
export function isPostmaster(pid: number, data: string): boolean {
  if (!(pid > 0)) return false;
  try {
    if (process.platform !== "linux") {
      const command = execFileSync("ps", ["-o", "args=", "-p", String(pid)], { encoding: "utf8" });
      return command.includes(`postgres -D ${data} `);
    }
    const [program = "", ...args] = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    if (basename(program) !== "postgres") return false;
    return args.includes(data) || readlinkSync(`/proc/${pid}/cwd`) === data;
  } catch {
    return false;
  }
}
