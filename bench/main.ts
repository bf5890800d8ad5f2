import { cpus } from "node:os";
import { join } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import type { Sql } from "../src/db/client.js";
import { silentLogger } from "../src/observability/logger.js";
import { openStore } from "../src/runtime.js";
import { startSandbox } from "../src/sandbox/server.js";
import { ensureUpstreamIdentity } from "../src/sync/upstream-identity.js";
import { type LoadRequest, type LoadResult, loadGenerator, runLoad } from "./load.js";
import { loadPeople } from "./people.js";
import { startMirror, startReference, type Target } from "./processes.js";
import { prepareReferenceTables, reads, sampleIds, webhooks } from "./scenarios.js";
import { type Line, median, tableOf } from "./table.js";

interface Options {
  users: number;
  seconds: number;
  rounds: number;
  connections: number;
  only?: string;
  json?: true;
}

/** What is measured: the same requests, where the reference takes them too. */
interface Scenario {
  what: string;
  target: Target;
  requests: () => Promise<LoadRequest[]> | LoadRequest[];
  /** Its line stands before this one. */
  reference?: string;
  goal?: number;
}

const SECRET = `whsec_${Buffer.from("the signing secret of a bench").toString("base64")}`;
/** More webhooks than any of the servers takes in a second. */
const EVENTS_PER_SECOND = 12_000;

const whole = (text: string): number => {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError("must be a whole number above 0");
  return Number(text);
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
  .option("--only <text>", "measures what has this in its name, and what that is held against")
  .option("--json", "prints JSON instead of a table")
  .action(bench);

async function bench(options: Options): Promise<void> {
  const store = await openStore(
    {
      url: process.env.DATABASE_URL ?? null,
      dataDir: process.env.DATA_DIR ?? join(".data", "bench"),
      poolMax: 4,
    },
    silentLogger(),
  );
  const sandbox = await startSandbox({ users: 0 });
  const { sql, url: databaseUrl } = store.database;
  const targets: Target[] = [];
  const started = async (target: Promise<Target>) => {
    targets.push(await target);
    return target;
  };
  try {
    await sql`delete from mirror_data.upstream`;
    const { url: apiUrl, instanceId, secretKey } = sandbox;
    await ensureUpstreamIdentity(sql, { apiUrl, environment: "test", instanceId });
    await loadPeople(store.database, options.users, (done) =>
      say(`loaded ${done} of ${options.users} users`),
    );
    say("copying the tables that the reference for webhooks writes");
    await prepareReferenceTables(sql);
    const mirror = await started(
      startMirror({
        ...{ CLERK_SECRET_KEY: secretKey, CLERK_API_URL: apiUrl, CLERK_WEBHOOK_SIGNING_SECRET: SECRET },
        ...{ DATABASE_URL: databaseUrl, RECONCILE_INTERVAL: "0", FULL_RECONCILE_INTERVAL: "0" },
      }),
    );
    const constant = await started(startReference("constant"));
    const select = await started(startReference("select", databaseUrl));
    const transaction = await started(startReference("transaction", databaseUrl, SECRET));
    const scenarios = scenariosOf({ mirror, constant, select, transaction }, await sampleIds(sql), {
      ...{ sql, secretKey, eventCount: EVENTS_PER_SECOND * options.seconds },
    });
    const lines = await measure(chosen(scenarios, options.only), options);
    if (options.json)
      return void console.log(JSON.stringify({ ...(await conditions(sql, options)), lines }, null, 2));
    const { machine, node, postgres, load } = await conditions(sql, options);
    console.log(
      `\n${options.users.toLocaleString("en")} users, ${options.connections} connections, median of ` +
        `${options.rounds} rounds of ${options.seconds} s\n${machine}; Node ${node}; PostgreSQL ${postgres}; ${load}\n`,
    );
    console.log(tableOf(lines));
  } finally {
    await Promise.all(targets.map((target) => target.stop()));
    await sandbox.close();
    await store.close();
  }
}

interface Material {
  sql: Sql;
  secretKey: string;
  eventCount: number;
}

function scenariosOf(
  { mirror, constant, select, transaction }: Record<"mirror" | "constant" | "select" | "transaction", Target>,
  ids: readonly string[],
  { sql, secretKey, eventCount }: Material,
): Scenario[] {
  const byId = () =>
    reads(
      ids.map((id) => `/v1/users/${id}`),
      secretKey,
    );
  const list = () => reads(["/v1/users?limit=10"], secretKey);
  const count = () => reads(["/v1/users/count"], secretKey);
  const events = (kind: "activity" | "identity") => () =>
    webhooks(sql, { ids, count: eventCount, kind, secret: SECRET });
  return [
    { what: "bare Hono, a constant", target: constant, requests: byId },
    { what: "bare Hono, one prepared SELECT", target: select, requests: byId },
    {
      what: "get by id",
      target: mirror,
      requests: byId,
      reference: "bare Hono, one prepared SELECT",
      goal: 0.8,
    },
    { what: "list of 10", target: mirror, requests: list, reference: "bare Hono, one prepared SELECT" },
    { what: "count", target: mirror, requests: count, reference: "bare Hono, one prepared SELECT" },
    { what: "a transaction per webhook, activity", target: transaction, requests: events("activity") },
    {
      ...{ what: "webhooks, activity", target: mirror, requests: events("activity") },
      ...{ reference: "a transaction per webhook, activity", goal: 2 },
    },
    { what: "a transaction per webhook, name changed", target: transaction, requests: events("identity") },
    {
      ...{ what: "webhooks, name changed", target: mirror, requests: events("identity") },
      ...{ reference: "a transaction per webhook, name changed", goal: 2 },
    },
  ];
}

function chosen(scenarios: readonly Scenario[], only = ""): Scenario[] {
  const wanted = scenarios.filter(({ what }) => what.includes(only));
  const references = new Set(wanted.map(({ reference }) => reference));
  return scenarios.filter((scenario) => wanted.includes(scenario) || references.has(scenario.what));
}

/** All scenarios once per round, so that what else the machine does meets them alike. */
async function measure(scenarios: readonly Scenario[], options: Options): Promise<Line[]> {
  const { seconds, rounds, connections } = options;
  const results = new Map<string, LoadResult[]>(scenarios.map(({ what }) => [what, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const { what, target, requests } of scenarios) {
      say(round === 0 ? `warming up: ${what}` : `round ${round} of ${rounds}: ${what}`);
      const load = {
        url: target.url,
        requests: await requests(),
        connections,
        seconds: round === 0 ? 1 : seconds,
      };
      const result = await runLoad(load);
      if (result.failures > 0) throw new Error(`${what}: ${result.failures} requests failed`);
      if (round > 0) results.get(what)?.push(result);
    }
  }
  const perSecond = (what: string) => median((results.get(what) ?? []).map((result) => result.perSecond));
  return scenarios.map(({ what, reference = null, goal = null }) => ({
    what,
    perSecond: perSecond(what),
    p50Ms: median((results.get(what) ?? []).map((result) => result.p50Ms)),
    p99Ms: median((results.get(what) ?? []).map((result) => result.p99Ms)),
    reference,
    ratio: reference === null ? null : perSecond(what) / perSecond(reference),
    goal,
  }));
}

async function conditions(sql: Sql, options: Options) {
  const [server] = await sql<{ version: string }[]>`select current_setting('server_version') as version`;
  const [cpu] = cpus();
  return {
    machine: `${cpus().length} × ${cpu?.model.trim()}`,
    node: process.versions.node,
    postgres: server?.version ?? "",
    load: await loadGenerator(),
    ...options,
  };
}

function say(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
  else if (!/^loaded/.test(text) || /^loaded \d*0000 of/.test(text)) process.stderr.write(`${text}\n`);
}

await command.parseAsync();
