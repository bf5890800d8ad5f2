import { setMaxListeners } from "node:events";
import { createAuthenticator } from "../auth/keys.js";
import { createStoredKeys, withStoredKeys } from "../auth/stored-keys.js";
import { createNotifications, type Notifications } from "../cache/notifications.js";
import { createUserCache, type UserCache } from "../cache/user-cache.js";
import type { Config, ConfigWithSecretKey } from "../config.js";
import { findApiKeys } from "../db/api-keys.js";
import { type Availability, createAvailability } from "../db/connection/availability.js";
import { connect, type Database } from "../db/connection/client.js";
import { type Clock, createClock } from "../db/connection/clock.js";
import { createVersions } from "../db/connection/commit-position.js";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../db/embedded/postgres.js";
import { migrateDatabase } from "../db/setup/migrate.js";
import { createApp } from "../http/app.js";
import type { Readiness } from "../http/routes/ops.js";
import { listen } from "../http/server.js";
import { createShortcut } from "../http/shortcut.js";
import { endsWithin } from "../lib/async.js";
import { AppError } from "../lib/errors.js";
import type { Logger } from "../observability/logger.js";
import { createStatusReader } from "../operations/status.js";
import { createMembershipQueries } from "../query/memberships.js";
import { createUserQueries } from "../query/users.js";
import { createReadThrough } from "../sync/answers/read-through.js";
import { createRefetcher, type Refetcher } from "../sync/answers/refetcher.js";
import { createUnapplied } from "../sync/answers/unapplied.js";
import { createWriteThrough } from "../sync/answers/write-through.js";
import type { OnCommitted } from "../sync/apply/batch.js";
import { dropDeadLetters, listDeadLetters } from "../sync/ledger/dead-letters.js";
import { type Completeness, createCompleteness } from "../sync/ledger/proof.js";
import { findRun, latestRuns, type OnProgress } from "../sync/ledger/runs.js";
import { ensureUpstreamIdentity, type UpstreamIdentity } from "../sync/ledger/upstream-identity.js";
import { createWalks, type Walks } from "../sync/schedule/leader.js";
import { createUpkeep } from "../sync/upkeep/plans-and-index.js";
import { createRetention } from "../sync/upkeep/retention.js";
import { createSearchTidying, type SearchTidying } from "../sync/upkeep/search-tidying.js";
import { createSqlRepair } from "../sync/upkeep/sql-repair.js";
import { createIngest } from "../sync/webhooks/ingest.js";
import { createReplay } from "../sync/webhooks/replay.js";
import { createUpstream, type Upstream } from "../upstream/client.js";
import { createForwarder } from "../upstream/forward.js";
import { type ClerkApi, createClerkApi } from "../upstream/users.js";
import { openBudget } from "./budget.js";

/** The mirror's database, migrated, wherever it runs. */
export interface Store {
  database: Database;
  clock: Clock;
  /** What a start on a standby, or a read-only primary, left to be done once it can be written. Repeating is free. */
  settle(): Promise<void>;
  /** Null: `DATABASE_URL`. */
  embedded: EmbeddedPostgres | null;
  /** Rejects nothing: what hasn't ended within `withinMs` is ended hard. */
  close(withinMs?: number): Promise<void>;
}

/** More connections than this only wait for each other on the embedded server, which takes 200 from all processes. */
const EMBEDDED_POOL_MAX = 32;

/** Connects and migrates; starts the embedded Postgres, or attaches to it, where no `DATABASE_URL` is set. */
export async function openStore(config: Config["database"], log: Logger): Promise<Store> {
  const embedded = config.url === null ? await startEmbedded(config.dataDir, log) : null;
  const url = config.url ?? embedded?.url ?? "";
  for (const note of config.notes) log.warn(note);
  let database: Database | null = null;
  try {
    let { isWritable } = await migrateDatabase({ url, onWait: (reason) => log.warn(reason) });
    if (!isWritable) {
      log.error(
        "DATABASE_URL can only be read: what is there is served, and nothing new arrives until it can be written.",
      );
    }
    const poolMax = embedded ? Math.min(config.poolMax, EMBEDDED_POOL_MAX) : config.poolMax;
    database = connect({ url, poolMax });
    const clock = createClock(database.primary.sql);
    await clock.refresh();
    const opened = database;
    return {
      database,
      clock,
      embedded,
      async settle() {
        if (!isWritable) ({ isWritable } = await migrateDatabase({ url }));
      },
      async close(withinMs = 15_000) {
        clock.stop();
        await opened.close(withinMs / 3);
        await embedded?.stop((withinMs * 2) / 3);
      },
    };
  } catch (error) {
    await database?.close();
    await embedded?.stop();
    throw error;
  }
}

async function startEmbedded(dataDir: string, log: Logger): Promise<EmbeddedPostgres> {
  const embedded = await startEmbeddedPostgres({
    dataDir,
    onLog: (text) => log.debug({ source: "postgres" }, text.trim()),
  });
  log.info({ location: embedded.location, attached: embedded.attached }, "embedded Postgres is ready");
  if (embedded.locale === "C") {
    log.warn("The system has no UTF-8 locale: searches for letters beyond a-z take the slow way.");
  }
  return embedded;
}

/** All that talks to Clerk or changes the mirror, for the server and for commands alike. */
export interface Mirror {
  store: Store;
  availability: Availability;
  upstream: Upstream;
  api: ClerkApi;
  completeness: Completeness;
  cache: UserCache;
  notifications: Notifications;
  /** For whatever commits before somebody is answered. */
  onCommitted: OnCommitted;
  refetcher: Refetcher;
  walks: Walks;
  searchTidying: SearchTidying;
}

/** Builds the parts over a store. Throws `configuration` when the store holds the users of another Clerk. */
export async function openMirror(config: ConfigWithSecretKey, store: Store, log: Logger): Promise<Mirror> {
  const { database, clock } = store;
  const { sql } = database.primary;
  const { clerk, upstream: limits, reconcile } = config;
  const availability = createAvailability({ database, log });
  const budget = openBudget(sql, availability, limits);
  const upstream = createUpstream({
    apiUrl: clerk.apiUrl,
    secretKey: clerk.secretKey,
    apiVersion: clerk.apiVersion,
    timeoutMs: limits.timeoutMs,
    budget,
    now: clock.now,
    log,
  });
  const api = createClerkApi(upstream);
  const identity: UpstreamIdentity = {
    apiUrl: clerk.apiUrl,
    environment: clerk.secretKey.startsWith("sk_live_") ? "live" : "test",
    instanceId: await instanceId(api, log),
  };
  const claimUpstream = () => ensureUpstreamIdentity(sql, identity);
  await claimUpstream();
  const completeness = createCompleteness(sql);
  const lagMs = limits.lagMs;
  const searchTidying = createSearchTidying({ sql: database.primary.patient, log });
  const notifications = createNotifications({
    connections: database.connections,
    onChange(ids) {
      cache.invalidate(ids);
      searchTidying.noteChange();
    },
    log,
  });
  const cache = createUserCache({ ...config.cache, isCurrent: notifications.isHearing });
  const onCommitted: OnCommitted = (applied) => cache.invalidate(applied.users.keys());
  const refetcher = createRefetcher({ sql, api, lagMs, onCommitted, log });
  const walks = createWalks({
    ...{ primary: database.primary, api, clock, lagMs, log, completeness, claimUpstream },
    requests: () => upstream.requests,
    purgeLimit: reconcile.purgeLimit,
    intervalMs: reconcile.intervalMs,
    fullIntervalMs: reconcile.fullIntervalMs,
  });
  return {
    ...{ store, availability, upstream, api, completeness, cache, notifications, onCommitted },
    ...{ refetcher, walks, searchTidying },
  };
}

/** Null while Clerk can't be asked: the mirror starts without it. A key or an address that is wrong is told at once. */
async function instanceId(api: ClerkApi, log: Logger): Promise<string | null> {
  try {
    return (await api.getInstance({ priority: "read" }))?.id ?? null;
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    if (error.code === "upstream_rejected" || error.code === "loop_detected")
      throw new AppError("configuration", error.message, { cause: error });
    log.warn({ reason: error.message }, "Clerk can't be asked which instance it is");
    return null;
  }
}

export interface RunningServer {
  url: string;
  mirror: Mirror;
  /** Stops accepting, finishes what is in flight, ends the walks, closes the database: within 15 s, whatever hangs. */
  stop(): Promise<void>;
}

/** From the signal on. What waits for a database that doesn't answer is told so in time to answer whoever asked. */
const STOP_MS = { database: 7000, requests: 9000, work: 10_000, all: 14_500 };

/** Starts the whole server: it answers from the first moment, by Clerk until the first backfill has ended. */
export async function startServer(
  config: ConfigWithSecretKey,
  log: Logger,
  onProgress?: OnProgress,
): Promise<RunningServer> {
  const store = await openStore(config.database, log);
  try {
    return await serve(config, await openMirror(config, store, log), log, onProgress);
  } catch (error) {
    await store.close();
    throw error;
  }
}

async function serve(
  config: ConfigWithSecretKey,
  mirror: Mirror,
  log: Logger,
  onProgress: OnProgress | undefined,
): Promise<RunningServer> {
  const { store, availability, upstream, api, completeness, cache, notifications } = mirror;
  const { onCommitted, refetcher, walks, searchTidying } = mirror;
  const { database, clock } = store;
  const { sql } = database.primary;
  const { lagMs } = config.upstream;
  const { webhookSecrets, instanceId: onlyInstance } = config.clerk;
  if (webhookSecrets.length === 0) {
    log.warn(
      "CLERK_WEBHOOK_SIGNING_SECRET is not set: without webhooks, changes arrive with the next reconcile.",
    );
  }
  await completeness.refresh();
  let draining = false;
  const readiness = (): Readiness => {
    if (draining) return "draining";
    if (!availability.isWhole()) return "degraded";
    return completeness.isBackfilled() ? "live" : "backfilling";
  };

  const versions = createVersions(sql, availability);
  const unapplied = createUnapplied(log);
  availability.onReturn(unapplied.retry);
  availability.onReturn(store.settle);
  // Webhooks may have been given up meanwhile.
  availability.onReturn(async () => walks.checkSoon());
  const ingest = createIngest({
    ...{ sql, availability, versions, clock, lagMs, onCommitted, instanceId: onlyInstance, log },
  });
  const authenticate = withStoredKeys(
    createAuthenticator({ secretKey: config.clerk.secretKey, ...config.keys }),
    createStoredKeys({
      findMany: (digests) => availability.guard(() => findApiKeys(database.primary.orm, digests)),
    }),
  );
  const users = createUserQueries(database.readers, { nowMs: clock.now, availability, cache });
  const app = createApp({
    log,
    authenticate,
    readiness,
    webhooks: {
      secrets: webhookSecrets,
      ingest,
    },
    availability,
    versions,
    admin: {
      status: createStatusReader({
        ...{ sql: database.readers.points, embedded: store.embedded, webhooks: webhookSecrets.length > 0 },
        cache: cache.stats,
        lastRuns: (limit) => latestRuns(database.readers.points, limit),
      }),
      reconciler: { start: walks.enqueue, run: (id) => findRun(database.readers.points, id) },
    },
    deadLetters: {
      list: (limit) => listDeadLetters(sql, limit),
      replay: createReplay({ sql, ingest }),
      drop: async (id) => (await dropDeadLetters(sql, [id])) > 0,
    },
    users: {
      users,
      memberships: createMembershipQueries(database.readers, { lagMs, availability }),
      readThrough: createReadThrough({ sql, api, lagMs, onCommitted }),
      completeness,
      unapplied,
    },
    clerk: {
      forward: createForwarder(upstream),
      writeThrough: createWriteThrough({
        ...{ sql, availability, unapplied, refetcher, clock, lagMs, onCommitted, log },
      }),
    },
  });
  const shortcut = createShortcut({ log, authenticate, users, completeness, unapplied });
  const server = await listen(app, config.server, shortcut);
  log.info({ url: server.url, state: readiness() }, "listening");

  const stopping = new AbortController();
  // Each loop waits on it, some in several places; Node takes eleven for a leak and warns.
  setMaxListeners(100, stopping.signal);
  const upkeep = createUpkeep({ primary: database.primary, log });
  const sqlRepair = createSqlRepair({ sql: database.primary.patient, log });
  const retention = createRetention({ sql: database.primary.patient, clock, log });
  const background = [retention, upkeep, sqlRepair, notifications, searchTidying];
  const loops = [availability, completeness, refetcher, unapplied, ...background];
  const work = loops.map((loop) => loop.run(stopping.signal));
  work.push(walks.run(stopping.signal, onProgress));
  return {
    url: server.url,
    mirror,
    async stop() {
      draining = true;
      stopping.abort();
      const begunAtMs = performance.now();
      // What still waits then, waits for a Postgres that doesn't answer; and nothing more is asked of it.
      const late = setTimeout(() => void database.close(0), STOP_MS.database);
      const ended = Promise.all([server.drain(STOP_MS.requests), ...work]);
      if (!(await endsWithin(ended, STOP_MS.work))) log.warn("some work did not end in time, and is left");
      clearTimeout(late);
      await store.close(Math.max(0, STOP_MS.all - (performance.now() - begunAtMs)));
      log.info("stopped");
    },
  };
}
