import { Registry } from "prom-client";
import { expect, test } from "vitest";
import {
  type DatabaseState,
  registerState,
  type StateSources,
} from "../../src/observability/state-metrics.js";

const DATABASE: DatabaseState = {
  ...{ users: 10, organizations: 2, deadLetters: 1, refetches: 3 },
  budget: { limit: 100, used: { urgent: 5, background: 7 }, isPaused: true },
};

/** The lines of one reading after another. */
async function readings(...each: Partial<StateSources>[]): Promise<string[][]> {
  const sources: StateSources = {
    versions: { mirror: "1.2.3", node: "20.0.0" },
    state: () => ({ is: "live", of: ["live", "degraded"] }),
    proofAgeMs: () => ({ users: 1500, memberships: null }),
    cache: () => ({ in_use: true, entries: 1, bytes: 2, max_bytes: 3, hits: 4, misses: 5 }),
    pools: () => [{ name: "writes", max: 8, busy: 2, idle: 1, waiting: 4 }],
    webhooksWaiting: () => ({ small: 3 }),
    upstreamWaiting: () => ({ reads: 6 }),
    database: async () => DATABASE,
  };
  const now = { ...sources };
  const registry = new Registry();
  const read = registerState(registry, {
    ...sources,
    ...Object.fromEntries(
      (Object.keys(sources) as (keyof StateSources)[])
        .filter((name) => name !== "versions")
        .map((name) => [name, () => (now[name] as () => unknown)()]),
    ),
  });
  const printed: string[][] = [];
  for (const one of each) {
    Object.assign(now, sources, one);
    await read();
    printed.push((await registry.metrics()).split("\n"));
  }
  return printed;
}

test("tells what the parts say at the moment of the question", async () => {
  const [lines] = await readings({});
  for (const line of [
    'user_mirror_build_info{version="1.2.3",node_version="20.0.0"} 1',
    'user_mirror_state{state="live"} 1',
    'user_mirror_state{state="degraded"} 0',
    'user_mirror_proof_age_seconds{of="users"} 1.5',
    "user_mirror_cache_in_use 1",
    "user_mirror_cache_hits_total 4",
    'user_mirror_pool_connections{pool="writes",state="busy"} 2',
    'user_mirror_pool_waiting{pool="writes"} 4',
    'user_mirror_webhooks_waiting{line="small"} 3',
    'user_mirror_upstream_waiting{budget="reads"} 6',
    "user_mirror_database_up 1",
    'user_mirror_objects{kind="users"} 10',
    "user_mirror_dead_letters 1",
    "user_mirror_refetches_waiting 3",
    "user_mirror_upstream_budget_limit 100",
    'user_mirror_upstream_budget_used{for="background"} 7',
    "user_mirror_upstream_paused 1",
  ])
    expect(lines).toContain(line);
  expect(lines?.join("\n")).not.toContain('of="memberships"');
});

test("tells nothing that it doesn't know any more, and counters only as they are now", async () => {
  const [, away, back] = await readings(
    {},
    { database: async () => null, proofAgeMs: () => ({ users: null, memberships: null }), pools: () => [] },
    { cache: () => ({ in_use: false, entries: 0, bytes: 0, max_bytes: 3, hits: 9, misses: 5 }) },
  );
  expect(away).toContain("user_mirror_database_up 0");
  expect(
    away?.filter((line) =>
      /^user_mirror_(objects|dead_letters|upstream_budget|upstream_paused|proof|pool)/.test(line),
    ),
  ).toEqual([]);
  expect(back).toContain("user_mirror_dead_letters 1");
  expect(back).toContain("user_mirror_cache_hits_total 9");
});
