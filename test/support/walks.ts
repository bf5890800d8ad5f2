import { silentLogger } from "../../src/observability/logger.js";
import type { Sandbox } from "../../src/sandbox/server.js";
import { createRefetcher } from "../../src/sync/answers/refetcher.js";
import { createCompleteness } from "../../src/sync/ledger/proof.js";
import { ensureUpstreamIdentity } from "../../src/sync/ledger/upstream-identity.js";
import { createLeader, type LeaderDeps } from "../../src/sync/schedule/leader.js";
import { createUpstream } from "../../src/upstream/client.js";
import { createLocalQuotaStore, createRequestQueue } from "../../src/upstream/request-queue.js";
import { type ClerkApi, createClerkApi } from "../../src/upstream/users.js";
import type { TestDatabase } from "./database.js";

export interface WalkOptions {
  lagMs?: number;
  purgeLimit?: number;
  /** How many users a planned window holds, about. */
  windowUsers?: number;
  /** From how many users on a first load makes indexes when it has ended. */
  putOffFrom?: number;
  fullIntervalMs?: number;
  /** Of checks; 0 unless told: on demand only. */
  intervalMs?: number;
  /** The primary's clock as the walks know it. */
  now?: () => number;
  /** Wraps what the walks ask Clerk through. */
  api?: (api: ClerkApi) => ClerkApi;
}

/** The walks of a mirror over this sandbox, without a server. */
export async function walksOver(
  db: Pick<TestDatabase, "database" | "sql">,
  sandbox: Sandbox,
  options: WalkOptions = {},
) {
  const {
    lagMs = 0,
    purgeLimit = 1,
    windowUsers,
    putOffFrom,
    fullIntervalMs = 0,
    intervalMs = 0,
    now = Date.now,
  } = options;
  const log = silentLogger();
  const upstream = createUpstream({
    apiUrl: sandbox.url,
    secretKey: sandbox.secretKey,
    apiVersion: "2026-05-12",
    timeoutMs: 10_000,
    queue: createRequestQueue(createLocalQuotaStore({ limit: 100_000, backgroundShare: 1 })),
    now,
    log,
  });
  const api = (options.api ?? ((same) => same))(createClerkApi(upstream));
  await ensureUpstreamIdentity(db.sql, {
    apiUrl: "https://clerk.test",
    environment: "test",
    instanceId: null,
  });
  const deps: LeaderDeps = {
    ...{ primary: db.database.primary, api, clock: { now }, lagMs, purgeLimit, log },
    completeness: createCompleteness(db.sql),
    claimUpstream: async () => {},
    requests: () => upstream.requests,
    intervalMs,
    recountAfterMs: 20,
    fullIntervalMs,
    ...(windowUsers !== undefined && { windowUsers }),
    ...(putOffFrom !== undefined && { putOffFrom }),
  };
  const walks = createLeader(deps);
  const signal = AbortSignal.timeout(180_000);
  const refetcher = createRefetcher({ sql: db.sql, api, lagMs, log });
  return {
    walks,
    deps,
    backfill: () => walks.execute("backfill", { signal }),
    full: (allowPurge = false) => walks.execute("full", { signal, allowPurge }),
    incremental: () => walks.execute("incremental", { signal }),
    dryRun: () => walks.execute("dry_run", { signal }),
    refetch: () => refetcher.drain(signal),
    drift: () => walks.execute("drift", { signal }),
  };
}

/** All live users as they would be answered with private metadata, by id. */
export async function storedUsers(db: TestDatabase): Promise<Map<string, unknown>> {
  const rows = await db.sql<
    { id: string; payload: string; private_metadata: string | null; times: Record<string, number> | null }[]
  >`
    select id, payload, private_metadata, case when time_places is not null then jsonb_strip_nulls(jsonb_build_object(
      'updated_at', updated_at, 'last_active_at', last_active_at, 'last_sign_in_at', last_sign_in_at)) end as times
    from mirror_data.users where payload is not null`;
  return new Map(
    rows.map(({ id, payload, private_metadata, times }) => [
      id,
      {
        ...JSON.parse(payload),
        ...times,
        ...(private_metadata !== null && { private_metadata: JSON.parse(private_metadata) }),
      },
    ]),
  );
}

/** What the sandbox holds, in the same form; running lockouts aside, which count down. */
export function clerkUsers(sandbox: Sandbox): Map<string, unknown> {
  return new Map(sandbox.clerk.users().map((user) => [String(user.id), user]));
}
