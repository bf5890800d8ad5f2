import { cpus } from "node:os";
import type { Database } from "../../src/db/connection/client.js";
import { isoDay } from "../../src/lib/days.js";

interface Options {
  users: number;
  seconds: number;
  rounds: number;
  connections: number;
}

type Server = "embedded" | "external";

/** On what the figures were measured. */
export async function conditions(
  { primary: { sql } }: Database,
  server: Server,
  { users, seconds, rounds, connections }: Options,
) {
  const [row] = await sql<{ version: string; databaseBytes: number; settings: string }[]>`
    select pg_database_size(current_database()) as "databaseBytes",
      split_part(current_setting('server_version'), ' ', 1) as version,
      (select string_agg(name || ' ' || current_setting(name), ', ' order by name) from pg_settings
        where name in ('shared_buffers', 'work_mem', 'jit', 'synchronous_commit', 'default_toast_compression')
      ) as settings`;
  const [cpu] = cpus();
  return {
    ...{ users, seconds, rounds, connections, at: isoDay(Date.now()) },
    machine: `${cpus().length} × ${cpu?.model.trim()}`,
    node: process.versions.node,
    server,
    postgres: row?.version ?? "",
    databaseBytes: row?.databaseBytes ?? 0,
    settings: row?.settings ?? "",
  };
}

export function titleOf(about: Awaited<ReturnType<typeof conditions>>): string {
  const { users, server, postgres, databaseBytes, machine, node, settings, at } = about;
  const where = server === "embedded" ? "the embedded PostgreSQL" : "an external PostgreSQL (DATABASE_URL),";
  return (
    `## ${users.toLocaleString("en")} users on ${where} ${postgres}\n\n` +
    `${machine}, Node ${node}; ${settings}; ${(databaseBytes / 1e6).toFixed(0)} MB of database; ${at}.`
  );
}
