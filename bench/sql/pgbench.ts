import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Sql } from "../../src/db/connection/sql.js";
import { type Line, percentile } from "../report/table.js";

const run = promisify(execFile);

/** What Postgres itself gives a client that asks by id, one prepared SELECT after another. Null without pgbench. */
export async function measurePgbench(sql: Sql, url: string, seconds: number): Promise<Line | null> {
  await sql.unsafe(`
    drop table if exists bench.ids;
    create table bench.ids (n bigint primary key, id text collate "C" not null);
    insert into bench.ids select row_number() over (), id from mirror_data.users;
    analyze bench.ids`);
  const [row] = await sql<{ n: number }[]>`select count(*)::bigint as n from bench.ids`;
  const folder = mkdtempSync(join(tmpdir(), "user-mirror-bench-"));
  try {
    const script = join(folder, "select.sql");
    writeFileSync(
      script,
      `\\set n random(1, ${row?.n ?? 1})
select payload from mirror_data.users where id = (select id from bench.ids where n = :n);\n`,
    );
    const flags = ["-n", "-M", "prepared", "-c", "4", "-j", "1", "-T", String(3 * seconds), "-f", script];
    // One transaction of twenty is logged: a log of all would be a load of its own.
    const logging = ["-l", "--sampling-rate=0.05", `--log-prefix=${join(folder, "log")}`];
    const { stdout } = await run("pgbench", [...flags, ...logging, url]);
    const perSecond = Number(/tps = ([\d.]+)/.exec(stdout)?.[1] ?? Number.NaN);
    return {
      ...{ what: "pgbench, prepared SELECT by id, 4 clients", unit: "/s", median: perSecond },
      ...{ p99Ms: percentile(loggedMs(folder), 0.99), reference: null, ratio: null, goals: [] },
    };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The log's third column: microseconds of one transaction. */
function loggedMs(folder: string): number[] {
  const logs = readdirSync(folder).filter((name) => name.startsWith("log"));
  const lines = logs.flatMap((name) => readFileSync(join(folder, name), "utf8").trim().split("\n"));
  return lines.map((line) => Number(line.split(" ")[2]) / 1000);
}
