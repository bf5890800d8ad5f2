import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { emptyMirror } from "../../src/db/setup/rebuild.js";
import { silentLogger } from "../../src/observability/logger.js";
import { createCompleteness } from "../../src/sync/ledger/proof.js";
import { ensureUpstreamIdentity } from "../../src/sync/ledger/upstream-identity.js";
import { createLeader } from "../../src/sync/schedule/leader.js";
import { createUpstream } from "../../src/upstream/client.js";
import {
  createLocalQuotaStore,
  createRequestQueue,
  type RequestQueue,
} from "../../src/upstream/request-queue.js";
import { type ClerkApi, createClerkApi } from "../../src/upstream/users.js";
import { createStoreFor } from "../people/store.js";
import { markdown } from "../report/table.js";

/** The conditions under which the same users are read. `share`: of the requests, at random. */
interface Conditions {
  name: string;
  limit: number;
  faults: object[];
}

const CONDITIONS: Conditions[] = [
  { name: "production key: 1,000 requests in 10 s", limit: 1000, faults: [] },
  { name: "development key: 100 requests in 10 s", limit: 100, faults: [] },
  { name: "each answer takes 2 s", limit: 1000, faults: [{ delayMs: 2000 }] },
  {
    name: "5 % 500s, 1 % cut connections, 1 % 429s",
    limit: 1000,
    faults: [
      { share: 0.05, status: 500 },
      { share: 0.01, cut: "before" },
      { share: 0.01, status: 429, retryAfter: 1 },
    ],
  },
];

/** Fills an empty mirror from a sandbox Clerk in a process of its own, with half of the quota for the walk. */
export async function benchBackfill(users: number, say: (text: string) => void): Promise<void> {
  say(`starting a sandbox Clerk with ${users} users`);
  const sandbox = await startSandboxProcess(users);
  const store = await createStoreFor("backfill");
  const rows: string[][] = [];
  try {
    for (const conditions of CONDITIONS) {
      say(conditions.name);
      rows.push(await measured(store, sandbox, conditions, users, say));
    }
  } finally {
    await store.close();
    sandbox.stop();
  }
  const head = [
    "",
    "users a second",
    "waiting for the quota",
    "for Clerk",
    "storing",
    "CPU of the mirror",
    "RSS before / most",
  ];
  console.log(`\n${users.toLocaleString("en")} users; shares of the time of the walks side by side\n`);
  console.log(markdown(head, rows));
}

type Store = Awaited<ReturnType<typeof createStoreFor>>;
type SandboxProcess = Awaited<ReturnType<typeof startSandboxProcess>>;

async function measured(
  { database }: Store,
  sandbox: SandboxProcess,
  { name, limit, faults }: Conditions,
  users: number,
  say: (text: string) => void,
): Promise<string[]> {
  const { sql } = database.primary;
  await emptyMirror(sql);
  await ensureUpstreamIdentity(sql, { apiUrl: sandbox.url, environment: "test", instanceId: null });
  await sandbox.control("DELETE", "faults");
  for (const fault of faults) await sandbox.control("POST", "faults", { match: "GET /v1/users", ...fault });
  const spent = { waiting: 0, asking: 0, storing: 0 };
  const queue = timed(createRequestQueue(createLocalQuotaStore({ limit, backgroundShare: 0.5 })), spent);
  const upstream = createUpstream({
    ...{ apiUrl: sandbox.url, secretKey: sandbox.secretKey, apiVersion: "2026-05-12", timeoutMs: 30_000 },
    ...{ queue, now: Date.now, log: silentLogger() },
  });
  const walks = createLeader({
    ...{ primary: database.primary, clock: { now: Date.now }, lagMs: 0, purgeLimit: 1, log: silentLogger() },
    api: watched(createClerkApi(upstream), spent),
    completeness: createCompleteness(sql),
    claimUpstream: async () => {},
    requests: () => upstream.requests,
    intervalMs: 0,
    fullIntervalMs: 0,
  });
  const rss = watchRss();
  const cpu = process.cpuUsage();
  const begun = performance.now();
  const phases = new Map<string, number>();
  const run = await walks.execute("backfill", {
    signal: new AbortController().signal,
    onProgress: ({ phase }) => phases.set(phase, (performance.now() - begun) / 1000),
  });
  say([...phases].map(([phase, at]) => `${phase} until ${at.toFixed(1)} s`).join(", "));
  const seconds = (performance.now() - begun) / 1000;
  if (run.state !== "succeeded") throw new Error(`the backfill ${run.state}: ${run.error}`);
  const { user, system } = process.cpuUsage(cpu);
  const all = spent.asking + spent.storing;
  const percent = (part: number) => `${Math.round((100 * part) / all)} %`;
  return [
    ...[name, Math.round(users / seconds).toLocaleString("en")],
    ...[percent(spent.waiting), percent(spent.asking - spent.waiting), percent(spent.storing)],
    ...[`${Math.round((user + system) / 10_000 / seconds)} % of a core`, rss.stop()],
  ];
}

function timed(queue: RequestQueue, spent: { waiting: number }): RequestQueue {
  return {
    ...queue,
    async take(priority, signal) {
      const begun = performance.now();
      await queue.take(priority, signal);
      spent.waiting += performance.now() - begun;
    },
  };
}

/** Between two pages of one window passes the time to store one, and to wait for others to be stored. */
function watched(api: ClerkApi, spent: { asking: number; storing: number }): ClerkApi {
  const endedAt = new Map<number | undefined, number>();
  return {
    ...api,
    async listUsers(query, call) {
      const begun = performance.now();
      const window = query.createdAtBefore;
      const previous = endedAt.get(window);
      if (query.startingAfter !== undefined && previous !== undefined) spent.storing += begun - previous;
      const page = await api.listUsers(query, call);
      const ended = performance.now();
      spent.asking += ended - begun;
      endedAt.set(window, ended);
      return page;
    },
  };
}

function watchRss() {
  const megabytes = () => Math.round(process.memoryUsage.rss() / 1_000_000);
  const before = megabytes();
  let most = before;
  const timer = setInterval(() => {
    most = Math.max(most, megabytes());
  }, 100);
  return {
    stop() {
      clearInterval(timer);
      return `${before} / ${most} MB`;
    },
  };
}

async function startSandboxProcess(users: number) {
  const args = ["--import", "tsx", "src/cli/main.ts", "sandbox", "--json", "--until-stdin-closes"];
  const child = spawn(process.execPath, [...args, "--users", String(users)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  const { url, secret_key: secretKey } = JSON.parse(line) as { url: string; secret_key: string };
  return {
    url,
    secretKey,
    async control(method: string, path: string, body?: object) {
      const headers = { "Content-Type": "application/json" };
      await fetch(`${url}/_sandbox/${path}`, {
        method,
        headers,
        ...(body && { body: JSON.stringify(body) }),
      });
    },
    stop: () => child.stdin.end(),
  };
}
