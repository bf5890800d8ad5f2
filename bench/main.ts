import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { connect, type Database } from "../src/db/connection/client.js";
import type { Sql } from "../src/db/connection/sql.js";
import { startSandbox } from "../src/sandbox/server.js";
import { ensureUpstreamIdentity } from "../src/sync/ledger/upstream-identity.js";
import { measureDashboard } from "./dashboard/part.js";
import { measureHistory } from "./history/part.js";
import { loadGenerator } from "./http/load.js";
import { measureHttp, peakMegabytes, type Scenario, timesGoal } from "./http/measure.js";
import { startMirror, startReference, type Target } from "./http/processes.js";
import { prepareReferenceTables, sampleKeys, webhooks } from "./http/requests.js";
import { GET_BATCHED, scenariosOf, WEBHOOKS_UNCHANGED } from "./http/scenarios.js";
import { LOOP_NOTE, measureLoop } from "./loop/measure.js";
import { measurePeers } from "./peers/part.js";
import { loadPeople } from "./people/load.js";
import { createStoreFor } from "./people/store.js";
import { measureQueries } from "./queries/part.js";
import { conditions, titleOf } from "./report/conditions.js";
import { jsonOf, type Line, printSection, type Section, sectionOf } from "./report/table.js";
import { measureSql } from "./sql/measure.js";
import { measurePgbench } from "./sql/pgbench.js";
import { measureWrites, svixMicroseconds, WRITES_NOTE } from "./sync/writes.js";

interface Options {
  users: number;
  seconds: number;
  rounds: number;
  connections: number;
  parts: string[];
  only?: string;
  json?: true;
  save?: string;
}

interface Report {
  sections: Section[];
  lines: Line[];
  /** Of the server under load, at its peak. */
  peakMb: number | null;
}

const SECRET = `whsec_${Buffer.from("the signing secret of a bench").toString("base64")}`;
const PARTS = ["http", "sql", "queries", "history", "dashboard", "writes", "loop"];
/** `peers` only where it is asked for: it installs others' code. */
const ALL_PARTS = [...PARTS, "peers"];

const whole = (text: string): number => {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError("must be a whole number above 0");
  return Number(text);
};

const parts = (text: string): string[] => {
  const chosen = text.split(",");
  if (chosen.every((part) => ALL_PARTS.includes(part))) return chosen;
  throw new InvalidArgumentError(`must be some of ${ALL_PARTS.join(",")}`);
};

const command = new Command("bench")
  .description(
    "Measures the mirror beside the least that Hono and postgres.js can do, in the same run.\n" +
      "Runs on DATABASE_URL (which it fills: use an empty database), or on an embedded Postgres in .data/bench.",
  )
  .option("--users <n>", "how many users to measure with", whole, Number(process.env.BENCH_USERS ?? 100_000))
  .option("--seconds <n>", "of load per round", whole, 3)
  .option("--rounds <n>", "each figure is their median", whole, 3)
  .option("--connections <n>", "at once", whole, 64)
  .option("--parts <names>", `some of ${ALL_PARTS.join(",")}`, parts, PARTS)
  .option("--only <text>", "of the requests, those with this in their name, and what they are held against")
  .option("--json", "prints JSON instead of tables")
  .option("--save <file>", "writes the tables to this file, and the JSON beside it")
  .action(bench);

async function bench(options: Options): Promise<void> {
  const store = await createStoreFor("users");
  const { primary, url: databaseUrl } = store.database;
  const { sql } = primary;
  // One connection in each of its pools, because searches and lists are measured one at a time.
  const single = connect({ url: databaseUrl, poolMax: 1 });
  const sandbox = await startSandbox({ users: 0 });
  const report: Report = { sections: [], lines: [], peakMb: null };
  try {
    await dropReferences(sql);
    await sql`delete from mirror_data.upstream`;
    const { url: apiUrl, instanceId, secretKey } = sandbox;
    await ensureUpstreamIdentity(sql, { apiUrl, environment: "test", instanceId });
    const loaded = await loadPeople(store.database, options.users, (done) =>
      say(`loaded ${done} of ${options.users} users`),
    );
    const about = await conditions(single, store.embedded ? "embedded" : "external", options);
    const add = ({ sections, lines }: Pick<Report, "sections" | "lines">) => {
      report.sections.push(...sections);
      report.lines.push(...lines);
    };
    if (options.parts.includes("sql")) {
      const { users, rounds } = options;
      add(await measureSql(single, { users, mostRuns: rounds * 10, say }));
    }
    const env = {
      ...{ CLERK_SECRET_KEY: secretKey, CLERK_API_URL: apiUrl, DATABASE_URL: databaseUrl },
      ...{ CLERK_WEBHOOK_SIGNING_SECRET: SECRET, RECONCILE_INTERVAL: "0", FULL_RECONCILE_INTERVAL: "0" },
    };
    if (options.parts.includes("http")) await benchHttp(store.database, env, options, report);
    const material = { ...options, sql, env, webhookSecret: SECRET, say };
    if (options.parts.includes("queries")) add(await measureQueries(material));
    if (options.parts.includes("history")) add(await measureHistory(material));
    if (options.parts.includes("dashboard")) add(await measureDashboard(material));
    if (options.parts.includes("peers")) {
      const rest = { url: databaseUrl, env, webhookSecret: SECRET, say };
      add(await measurePeers({ ...options, ...rest }));
    }
    if (options.parts.includes("writes")) {
      say("applying pages");
      const lines = await measureWrites(sql, options.users, loaded);
      add({ sections: [sectionOf("Pages of walks", [WRITES_NOTE], lines)], lines });
    }
    if (options.parts.includes("loop")) {
      const lines = await measureLoop({
        ...{ sql, databaseUrl, webhookSecret: SECRET, rounds: options.rounds, say },
        ...(options.only !== undefined && { only: options.only }),
      });
      add({ sections: [sectionOf("Turns of the event loop", [LOOP_NOTE], lines)], lines });
    }
    const json = jsonOf({ ...about, peakMb: report.peakMb }, report.lines);
    const markdown = `${titleOf(about)}\n\n${report.sections.map(printSection).join("\n\n")}\n`;
    console.log(options.json ? json : `\n${markdown}`);
    if (options.save) save(options.save, markdown, json);
    await dropReferences(sql);
  } finally {
    await single.close();
    await sandbox.close();
    await store.close();
  }
}

/** Drops the tables of the references: they belong neither to the mirror nor to its size. */
async function dropReferences(sql: Sql): Promise<void> {
  await sql`drop schema if exists bench cascade`;
}

async function benchHttp(
  { primary: { sql, unhurried }, url }: Database,
  env: Record<string, string>,
  options: Options,
  report: Report,
): Promise<void> {
  say("copying the tables that the reference for webhooks writes");
  await unhurried(prepareReferenceTables);
  const targets: Target[] = [];
  const started = async (target: Promise<Target>) => {
    targets.push(await target);
    return target;
  };
  try {
    const servers = {
      mirror: await started(startMirror(env)),
      uncached: await started(startMirror({ ...env, CACHE_MAX_BYTES: "0" })),
      constant: await started(startReference("constant")),
      select: await started(startReference("select", url)),
      transaction: await started(startReference("transaction", url, SECRET)),
      verify: await started(startReference("verify", url, SECRET)),
    };
    const keys = await sampleKeys(sql);
    const secretKey = env.CLERK_SECRET_KEY ?? "";
    const material = { sql, keys, secretKey, webhookSecret: SECRET, seconds: options.seconds };
    const scenarios = scenariosOf(servers, material);
    const read = await measureHttp(chosen(scenarios.reads, options.only), options, say);
    // It would hear of every commit too, and take its share of the machine.
    await servers.uncached.stop();
    const written = await measureHttp(chosen(scenarios.webhooks, options.only), options, say);
    const pgbench = options.only ? null : await measurePgbench(sql, url, options.seconds);
    const lines = [...read, ...written].map((line) =>
      pgbench && line.what === GET_BATCHED ? against(pgbench, line) : line,
    );
    const [event] = await webhooks(sql, { ids: keys.ids, count: 1, kind: "activity", secret: SECRET });
    const peak = peakMegabytes(servers.mirror);
    const verifying = svixMicroseconds(SECRET, event?.body ?? "");
    const notes = [
      `${options.connections} connections, by ${await loadGenerator()} on the same machine; medians of ${options.rounds} rounds of ${options.seconds} s.`,
      `svix takes ${verifying.toFixed(0)} µs to verify one webhook, ${shareOf(verifying, lines)} of the time that one takes here.`,
      ...(peak === null
        ? []
        : [`Memory of the server, at most: ${peak} MB (goal ≤ 250: ${peak <= 250 ? "met" : "not met"}).`]),
    ];
    const all = [...(pgbench ? [pgbench] : []), ...lines];
    report.sections.push(sectionOf("Requests", notes, all));
    report.lines.push(...all);
    report.peakMb = peak;
  } finally {
    await Promise.all(targets.map((target) => target.stop()));
  }
}

function against({ median }: Line, line: Line): Line {
  return { ...line, goals: [...line.goals, timesGoal(line.median / median, { as: "pgbench", goal: 0.45 })] };
}

function shareOf(microseconds: number, lines: readonly Line[]): string {
  const webhook = lines.find(({ what }) => what === WEBHOOKS_UNCHANGED);
  return webhook ? `${((microseconds * webhook.median) / 10_000).toFixed(0)} %` : "a part";
}

function chosen(scenarios: readonly Scenario[], only = ""): Scenario[] {
  const wanted = scenarios.filter(({ what }) => what.includes(only));
  const references = new Set(wanted.map(({ reference }) => reference));
  return scenarios.filter((scenario) => wanted.includes(scenario) || references.has(scenario.what));
}

function save(file: string, markdown: string, json: string): void {
  mkdirSync(join(file, ".."), { recursive: true });
  writeFileSync(file, markdown);
  writeFileSync(file.replace(/\.md$/, "").concat(".json"), `${json}\n`);
}

function say(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
  else if (!/^loaded/.test(text) || /^loaded \d*0000 of/.test(text)) process.stderr.write(`${text}\n`);
}

await command.parseAsync();
