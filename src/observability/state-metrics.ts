import { Counter, Gauge, type Registry } from "prom-client";

/** What is asked when somebody reads the metrics. Durations in milliseconds. */
export interface StateSources {
  versions: { mirror: string; node: string };
  /** The state of the process, and all that it may be. */
  state(): { is: string; of: readonly string[] };
  /** How long ago the moment is up to which the mirror was proved complete. Null: it never was. */
  proofAgeMs(): { users: number | null; memberships: number | null };
  cache(): {
    in_use: boolean;
    entries: number;
    bytes: number;
    max_bytes: number;
    hits: number;
    misses: number;
  };
  pools(): readonly { name: string; max: number; busy: number; idle: number; waiting: number }[];
  webhooksWaiting(): Readonly<Record<string, number>>;
  upstreamWaiting(): Readonly<Record<string, number>>;
  /** Null: the database doesn't answer. Must not take long. */
  database(): Promise<DatabaseState | null>;
}

/** What only the database knows, of all processes together. */
export interface DatabaseState {
  users: number;
  organizations: number;
  deadLetters: number;
  refetches: number;
  /** Requests to Clerk in 10 seconds. `limit` null: none was sent yet. */
  budget: { limit: number | null; used: { urgent: number; background: number }; isPaused: boolean };
}

/** Registers what is read when it is asked for. Call the function that is returned before printing the registry. */
export function registerState(registry: Registry, sources: StateSources): () => Promise<void> {
  const gauge = <Label extends string = never>(
    name: string,
    help: string,
    labelNames: readonly Label[] = [],
  ) => new Gauge({ name: `user_mirror_${name}`, help, labelNames, registers: [registry] });
  const total = (name: string, help: string) =>
    new Counter({ name: `user_mirror_${name}`, help, registers: [registry] });

  const build = gauge("build_info", "Always 1; the labels say what runs.", ["version", "node_version"]);
  build.set({ version: sources.versions.mirror, node_version: sources.versions.node }, 1);
  const state = gauge("state", "1 for the state that the process is in.", ["state"]);
  const proof = gauge(
    "proof_age_seconds",
    "Since the moment up to which the mirror was proved complete; absent until the first proof.",
    ["of"],
  );
  const inUse = gauge(
    "cache_in_use",
    "0 while other processes' commits aren't heard of: nothing is cached then.",
  );
  const entries = gauge("cache_entries", "Users in the cache.");
  const bytes = gauge("cache_bytes", "What they take.");
  const maxBytes = gauge("cache_max_bytes", "CACHE_MAX_BYTES.");
  const hits = total("cache_hits_total", "Reads by id that the cache answered.");
  const misses = total("cache_misses_total", "Reads by id that it didn't.");
  const poolMax = gauge("pool_max_connections", "The most connections to Postgres that a pool may have.", [
    "pool",
  ]);
  const connections = gauge("pool_connections", "Open connections to Postgres.", ["pool", "state"]);
  const poolWaiting = gauge("pool_waiting", "Statements that wait for a connection.", ["pool"]);
  const webhooks = gauge("webhooks_waiting", "Webhooks that wait for their commit; stuck: behind a lock.", [
    "line",
  ]);
  const upstream = gauge("upstream_waiting", "Requests that wait for their part of Clerk's rate limit.", [
    "budget",
  ]);
  const databaseUp = gauge("database_up", "Whether Postgres answers.");
  const objects = gauge("objects", "What the mirror holds.", ["kind"]);
  const letters = gauge(
    "dead_letters",
    "Webhooks and objects that couldn't be applied, and wait for somebody.",
  );
  const refetches = gauge(
    "refetches_waiting",
    "Questions about single objects that Clerk must still answer.",
  );
  const limit = gauge(
    "upstream_budget_limit",
    "UPSTREAM_RATE_LIMIT: requests to Clerk in 10 seconds, of all processes.",
  );
  const used = gauge("upstream_budget_used", "Requests to Clerk in the last 10 seconds, of all processes.", [
    "for",
  ]);
  const paused = gauge("upstream_paused", "1 while the background waits because Clerk answered 429.");

  function setOwn(): void {
    const { is, of } = sources.state();
    for (const one of of) state.set({ state: one }, one === is ? 1 : 0);
    proof.reset();
    for (const [of, ms] of Object.entries(sources.proofAgeMs()))
      if (ms !== null) proof.set({ of }, ms / 1000);
    const cache = sources.cache();
    inUse.set(cache.in_use ? 1 : 0);
    entries.set(cache.entries);
    bytes.set(cache.bytes);
    maxBytes.set(cache.max_bytes);
    hits.reset();
    hits.inc(cache.hits);
    misses.reset();
    misses.inc(cache.misses);
    for (const one of [poolMax, connections, poolWaiting]) one.reset();
    for (const { name: pool, max, busy, idle, waiting } of sources.pools()) {
      poolMax.set({ pool }, max);
      connections.set({ pool, state: "busy" }, busy);
      connections.set({ pool, state: "idle" }, idle);
      poolWaiting.set({ pool }, waiting);
    }
    for (const [line, n] of Object.entries(sources.webhooksWaiting())) webhooks.set({ line }, n);
    for (const [budget, n] of Object.entries(sources.upstreamWaiting())) upstream.set({ budget }, n);
  }

  /** What isn't known isn't told: an old number would look like a new one. */
  function setShared(known: DatabaseState | null): void {
    databaseUp.set(known ? 1 : 0);
    for (const one of [objects, used]) one.reset();
    for (const one of [letters, refetches, limit, paused]) one.remove();
    if (!known) return;
    objects.set({ kind: "users" }, known.users);
    objects.set({ kind: "organizations" }, known.organizations);
    letters.set(known.deadLetters);
    refetches.set(known.refetches);
    if (known.budget.limit !== null) limit.set(known.budget.limit);
    used.set({ for: "callers" }, known.budget.used.urgent);
    used.set({ for: "background" }, known.budget.used.background);
    paused.set(known.budget.isPaused ? 1 : 0);
  }

  return async () => {
    const known = await sources.database();
    setOwn();
    setShared(known);
  };
}
