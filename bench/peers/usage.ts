import { readdirSync, readFileSync } from "node:fs";
import type { Sql } from "../../src/db/connection/sql.js";

/** As Linux counts processor time in `/proc/<pid>/stat`. */
const MICROSECONDS_PER_TICK = 10_000;

interface Process {
  pid: number;
  parent: number;
  /** Of its own, and of its children that have ended. */
  ticks: number;
}

/** Processor time that each of these processes and all below it have taken so far; null for those that can't be seen. */
export function processorMicroseconds(roots: readonly (number | null)[]): (number | null)[] {
  const all = processes();
  const ticksOf = (pid: number): number =>
    (all.find((one) => one.pid === pid)?.ticks ?? 0) +
    all.filter(({ parent }) => parent === pid).reduce((sum, child) => sum + ticksOf(child.pid), 0);
  return roots.map((pid) =>
    all.some((one) => one.pid === pid) ? ticksOf(pid as number) * MICROSECONDS_PER_TICK : null,
  );
}

function processes(): Process[] {
  if (process.platform !== "linux") return [];
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      // Its name, in brackets, may hold anything.
      const fields = read(`/proc/${name}/stat`)
        ?.replace(/^.*\) /s, "")
        .split(" ");
      if (!fields) return [];
      const [parent = 0, ...times] = [fields[1], ...fields.slice(11, 15)].map(Number);
      return [{ pid: Number(name), parent, ticks: times.reduce((sum, one) => sum + one, 0) }];
    });
}

/** The process that all of this server's processes are children of; null where it runs on another machine. */
export async function postmasterOf(sql: Sql): Promise<number | null> {
  const [own] = await sql<{ pid: number; database: string; port: number | null }[]>`
    select pg_backend_pid() as pid, current_database() as database, inet_client_port() as port`;
  if (!own) return null;
  // A process here may have the same number by chance: its title names the connection.
  const title = read(`/proc/${own.pid}/cmdline`) ?? "";
  const isItself =
    title.startsWith("postgres:") &&
    title.includes(` ${own.database} `) &&
    title.includes(own.port === null ? "[local]" : `(${own.port})`);
  return isItself ? (processes().find(({ pid }) => pid === own.pid)?.parent ?? null) : null;
}

function read(file: string): string | null {
  try {
    return readFileSync(file, "latin1");
  } catch {
    return null;
  }
}
