import { emptyMirror } from "../../src/db/setup/rebuild.js";
import { silentLogger } from "../../src/observability/logger.js";
import { createCompleteness } from "../../src/sync/ledger/proof.js";
import type { RunMode } from "../../src/sync/ledger/run-kinds.js";
import { ensureUpstreamIdentity } from "../../src/sync/ledger/upstream-identity.js";
import { createLeader } from "../../src/sync/schedule/leader.js";
import { createStoreFor } from "../people/store.js";
import { markdown } from "../report/table.js";
import { createCountingClerk } from "./counting-clerk.js";

/**
 * How many requests it takes to heal one missed change among so many users: the real algorithm and a real Postgres,
 * with a Clerk that only counts.
 */
export async function benchHealing(sizes: readonly number[], say: (text: string) => void): Promise<void> {
  const store = await createStoreFor("heal");
  const rows: string[][] = [];
  try {
    for (const users of sizes) rows.push(...(await healing(store, users, say)));
  } finally {
    await store.close();
  }
  console.log(markdown(["users", "missed", "requests to heal it", "and to prove it", "a full walk"], rows));
}

type Store = Awaited<ReturnType<typeof createStoreFor>>;

async function healing({ database }: Store, users: number, say: (text: string) => void): Promise<string[][]> {
  const { sql } = database.primary;
  await emptyMirror(sql);
  await ensureUpstreamIdentity(sql, { apiUrl: "https://clerk.test", environment: "test", instanceId: null });
  const clerk = createCountingClerk(users);
  const walks = createLeader({
    ...{
      primary: database.primary,
      api: clerk.api,
      clock: { now: Date.now },
      lagMs: 0,
      purgeLimit: 1,
      log: silentLogger(),
    },
    completeness: createCompleteness(sql),
    claimUpstream: async () => {},
    requests: clerk.asked,
    intervalMs: 0,
    fullIntervalMs: 0,
    recountAfterMs: 1,
  });
  const run = async (mode: RunMode) => {
    const done = await walks.execute(mode, { signal: new AbortController().signal });
    if (done.state !== "succeeded") throw new Error(`${mode} ${done.state}: ${done.error}`);
    return done;
  };
  const begun = performance.now();
  await run("backfill");
  const seconds = (performance.now() - begun) / 1000;
  say(`stored ${users} users in ${seconds.toFixed(0)} s: ${Math.round(users / seconds)} a second`);
  const quiet = (await run("incremental")).requests;
  const healed = async (miss: () => void) => {
    miss();
    const { requests, differences } = await run("incremental");
    const found = differences.missed_create + differences.missed_update + differences.missed_delete;
    if (found !== 1) throw new Error(`found ${found} differences instead of one`);
    return requests;
  };
  const created = await healed(() => clerk.create());
  const updated = await healed(() => clerk.update(Math.floor(users / 3)));
  const deleted = await healed(() => clerk.remove(Math.floor(users / 2)));
  const fullBegun = performance.now();
  const full = (await run("full")).requests;
  const perSecond = Math.round(users / ((performance.now() - fullBegun) / 1000));
  say(`compared ${users} unchanged users at ${perSecond} a second`);
  const line = (what: string, requests: number, toProve: number) => [
    ...[users.toLocaleString("en"), what, String(requests), String(toProve), full.toLocaleString("en")],
  ];
  // A check ends with the count and the page that prove it. If nothing had to be located, these healed too.
  return [
    line("nothing", quiet, 0),
    line("a creation", created, 0),
    line("an update", updated, 0),
    line("a deletion", deleted - 2, 2),
  ];
}
