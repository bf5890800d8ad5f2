import { once } from "node:events";
import { createKeyUse } from "../auth/key-use.js";
import { createAuthenticator } from "../auth/keys.js";
import { createStoredKeys, withStoredKeys } from "../auth/stored-keys.js";
import { newestCursor } from "../changes/cursor.js";
import { weaknessesOf } from "../config/weaknesses.js";
import type { ConfigWithSecretKey } from "../config.js";
import { findApiKeys, noteKeysUsed } from "../db/api-keys.js";
import { createCommitPositions } from "../db/connection/commit-position.js";
import { createApp } from "../http/app.js";
import { createRequestLog, type RequestObserver } from "../http/request-observer.js";
import { createStreamUsers } from "../http/routes/export.js";
import type { Readiness } from "../http/routes/ops.js";
import { type Listening, listen } from "../http/server.js";
import { createShortcut, inTurn } from "../http/shortcut.js";
import { loadTracing } from "../http/tracing.js";
import { createWebhookReceiver } from "../http/webhook-receiver.js";
import { createWebhookShortcut } from "../http/webhook-shortcut.js";
import type { Logger } from "../observability/logger.js";
import { createMetrics, type Metrics } from "../observability/scrape.js";
import { createKey, listKeys, revokeKey } from "../operations/keys.js";
import { createStatusReader } from "../operations/status.js";
import { createReadUserHistory } from "../operations/user-history.js";
import { createAggregates } from "../query/aggregate/aggregates.js";
import { createCohorts } from "../query/aggregate/cohorts.js";
import { createCurrentObjects } from "../query/current-objects.js";
import { readDailyUsers } from "../query/daily-users.js";
import { createQueryEngine } from "../query/engine.js";
import { createExport } from "../query/export.js";
import { createLookUpUsers } from "../query/lookup-users.js";
import { createMembershipQueries } from "../query/memberships.js";
import { createOrganizationQueries } from "../query/organizations.js";
import { createUserSearch } from "../query/user-search.js";
import { createUserQueries } from "../query/users.js";
import { createReadThrough } from "../sync/answers/read-through.js";
import { createUnapplied } from "../sync/answers/unapplied.js";
import { createWriteThrough } from "../sync/answers/write-through.js";
import { dropDeadLetters, findDeadLetter, listDeadLetters } from "../sync/ledger/dead-letters.js";
import { findRun, latestRuns, type OnProgress, stopRun } from "../sync/ledger/runs.js";
import { loadWindows } from "../sync/ledger/windows.js";
import { createHistoryMarking } from "../sync/upkeep/history-marking.js";
import { createUpkeep } from "../sync/upkeep/plans-and-index.js";
import { createRetention } from "../sync/upkeep/retention.js";
import { createSqlRepair } from "../sync/upkeep/sql-repair.js";
import { createIngest } from "../sync/webhooks/ingest.js";
import { createRecentWebhooks } from "../sync/webhooks/recent.js";
import { createReplay } from "../sync/webhooks/replay.js";
import { createForwarder } from "../upstream/forward.js";
import { countingObservers, KNOWN_LABELS, stateSourcesOf, webhookCounter } from "./metrics.js";
import { type Mirror, openMirror } from "./mirror.js";
import { startServices } from "./services.js";
import { openStore } from "./store.js";

export interface RunningServer {
  url: string;
  mirror: Mirror;
  /** Takes no new requests, finishes those that run, ends the services, closes the database. Within 15 s, whatever hangs. */
  stop(): Promise<void>;
}

/**
 * Counted from the call of `stop`. The database is cut off two seconds before the requests are, so that requests that wait
 * for it can still be answered with an error.
 */
const STOP_MS = { database: 7000, requests: 9000, work: 10_000, all: 14_500 };

/** Others can be asked for while the backfill runs. */
const RUNS_LOOKED_AT = 20;

/** Starts the whole server. It answers at once: until the first backfill has ended, Clerk is asked for each answer. */
export async function startServer(
  config: ConfigWithSecretKey,
  log: Logger,
  onProgress?: OnProgress,
): Promise<RunningServer> {
  for (const weakness of weaknessesOf(config)) log.warn(weakness);
  const store = await openStore(config.database, log);
  try {
    const metrics = createMetrics(KNOWN_LABELS);
    const mirror = await openMirror(config, store, log, countingObservers(metrics.count));
    return await serve(config, mirror, { log, metrics }, onProgress);
  } catch (error) {
    await store.close();
    throw error;
  }
}

async function serve(
  config: ConfigWithSecretKey,
  mirror: Mirror,
  { log, metrics }: { log: Logger; metrics: Metrics },
  onProgress: OnProgress | undefined,
): Promise<RunningServer> {
  const { store, availability, upstream, api, fieldPolicy, completeness, cache, notifications } = mirror;
  const { onCommitted, refetcher, leader, searchTidying, feed } = mirror;
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

  const positions = createCommitPositions(sql, availability);
  const unapplied = createUnapplied(log);
  availability.onReturn(unapplied.retry);
  availability.onReturn(store.settle);
  // Clerk may have given up sending some webhooks while Postgres was away.
  availability.onReturn(async () => leader.checkSoon());
  const recent = createRecentWebhooks(clock.now);
  const countWebhook = webhookCounter(metrics.count, clock.now);
  const ingest = createIngest({
    onReceived(webhook) {
      recent.note(webhook);
      countWebhook(webhook);
    },
    onBatch: metrics.count.batch,
    fieldPolicy,
    ...{ sql, availability, positions, clock, lagMs, onCommitted, instanceId: onlyInstance, log },
  });
  const webhooks = createWebhookReceiver({
    ...{ secrets: webhookSecrets, ingest },
    onRejected: (outcome) => metrics.count.webhook({ outcome, lagMs: null }),
  });
  metrics.readStateFrom(stateSourcesOf(mirror, { readiness, ingest }));
  const { orm } = database.primary;
  const keyUse = createKeyUse({ write: (used) => noteKeysUsed(orm, used), nowMs: clock.now, log });
  const authenticate = withStoredKeys(
    createAuthenticator({ secretKey: config.clerk.secretKey, ...config.keys }),
    createStoredKeys({
      findMany: (digests) => availability.guard(() => findApiKeys(orm, digests)),
      onUsed: keyUse.note,
    }),
  );
  const { points } = database.readers;
  const { guard } = availability;
  const engine = createQueryEngine(database.readers, { guard, nowMs: clock.now });
  const users = createUserQueries(database.readers, { nowMs: clock.now, availability, cache, engine });
  const logRequest = createRequestLog(log);
  const observe: RequestObserver = (request) => {
    metrics.countRequest(request);
    logRequest(request);
  };
  const trace = await loadTracing(log);
  const app = createApp({
    ...{ log, trace },
    observe,
    scrape: metrics.scrape,
    countFailure: metrics.count.failure,
    openAccess: { openTo: config.server.openRoutes, host: config.server.host },
    authenticate,
    readiness,
    webhooks,
    availability,
    positions,
    admin: {
      configuration: () => config.explained,
      status: createStatusReader({
        ...{ sql: database.readers.points, embedded: store.embedded, webhooks: webhookSecrets.length > 0 },
        cache: cache.stats,
        pace: recent.read,
        lastRuns: (limit) => latestRuns(database.readers.points, limit),
      }),
      reconciler: {
        start: leader.enqueue,
        run: (id) => findRun(sql, id),
        list: (limit, selection) => latestRuns(database.readers.points, limit, selection),
        windows: (id) => loadWindows(database.readers.points, id),
        stop: (id, by) => stopRun(sql, id, { by, nowMs: clock.now() }),
      },
    },
    deadLetters: {
      list: (limit) => listDeadLetters(sql, limit),
      find: (id) => findDeadLetter(sql, id),
      replay: createReplay({ sql, ingest }),
      drop: async (id) => (await dropDeadLetters(sql, [id])) > 0,
    },
    changes: {
      ...feed,
      objects: createCurrentObjects({ sql, availability, nowMs: clock.now, lagMs }),
      asOfMs: completeness.asOfMs,
    },
    backfill: {
      isBackfilled: completeness.isBackfilled,
      async progress() {
        const run = (await latestRuns(points, RUNS_LOOKED_AT)).find(({ mode }) => mode === "backfill");
        return run ? { users: run.users, windows: run.windows, eta: run.eta } : null;
      },
    },
    dailyUsers: {
      read: (from, to) => guard(() => readDailyUsers(points, from, to)),
      ...{ nowMs: clock.now, asOfMs: completeness.asOfMs },
    },
    userQueries: {
      search: createUserSearch({ points, guard, engine, nowMs: clock.now }),
      stream: createStreamUsers({
        exportUsers: createExport({ pool: database.readers.exports, engine, nowMs: clock.now }),
        changesCursor: () => guard(() => newestCursor(points)),
      }),
      nowMs: clock.now,
      asOfMs: completeness.asOfMs,
    },
    lookup: {
      lookUpUsers: createLookUpUsers({ run: engine.run, nowMs: clock.now }),
      asOfMs: completeness.asOfMs,
    },
    aggregate: {
      aggregates: createAggregates(engine, { guard, nowMs: clock.now }),
      cohorts: createCohorts(engine, { guard, nowMs: clock.now }),
      ...{ nowMs: clock.now, asOfMs: completeness.asOfMs },
    },
    organizations: {
      organizations: createOrganizationQueries(engine),
      asOfMs: completeness.membershipsAsOfMs,
    },
    readUserHistory: createReadUserHistory({ searches: engine.searches, nowMs: clock.now }),
    users: {
      users,
      memberships: createMembershipQueries(database.readers, { lagMs, availability }),
      readThrough: createReadThrough({ sql, api, lagMs, onCommitted }),
      completeness,
      unapplied,
    },
    keys: {
      list: () => listKeys(orm),
      create: (wanted) => createKey(orm, wanted),
      revoke: (idOrName) => revokeKey(orm, idOrName),
    },
    dashboard: { secretKey: config.clerk.secretKey, nowMs: clock.now },
    clerk: {
      forward: createForwarder(upstream),
      writeThrough: createWriteThrough({
        ...{ sql, availability, unapplied, refetcher, clock, lagMs, onCommitted, fieldPolicy, log },
      }),
    },
  });
  const shortcut = inTurn(
    createWebhookShortcut({ observe, webhooks }),
    createShortcut({ observe, authenticate, users, completeness, unapplied }),
  );
  const server = await listen(
    app,
    { ...config.server, limits: { onFull: () => metrics.count.failure("overloaded") } },
    // They make no spans.
    trace ? undefined : shortcut,
  );
  log.info({ url: server.url, state: readiness() }, "listening");

  const { patient } = database.primary;
  const services = startServices([
    { name: "serving requests", run: (signal) => drainWhenAborted(server, signal) },
    { name: "watching Postgres", run: availability.run },
    { name: "following completeness", run: completeness.run },
    { name: "refetching", run: refetcher.run },
    { name: "applying what could not be applied", run: unapplied.run },
    {
      name: "retention",
      run: createRetention({
        ...{ sql: patient, clock, log },
        changesMs: config.changes.retentionMs,
        lettersMs: config.deadLetters.retentionMs,
      }).run,
    },
    { name: "upkeep of plans and indexes", run: createUpkeep({ primary: database.primary, log }).run },
    { name: "repair of what SQL shows", run: createSqlRepair({ sql: patient, log }).run },
    { name: "marking days of activity", run: createHistoryMarking({ sql: patient, log }).run },
    { name: "noting the use of keys", run: keyUse.run },
    { name: "listening for changes", run: notifications.run },
    { name: "following the feed", run: feed.tail.run },
    { name: "tidying of the search indexes", run: searchTidying.run },
    { name: "reconciling", run: (signal) => leader.run(signal, onProgress) },
  ]);
  return {
    url: server.url,
    mirror,
    async stop() {
      draining = true;
      const begunAtMs = performance.now();
      // Whatever still runs by then waits for a Postgres that doesn't answer.
      const late = setTimeout(() => void database.close(0), STOP_MS.database);
      for (const name of await services.stop(STOP_MS.work))
        log.warn(`${name} did not end in time, and is left`);
      clearTimeout(late);
      await store.close(Math.max(0, STOP_MS.all - (performance.now() - begunAtMs)));
      log.info("stopped");
    },
  };
}

async function drainWhenAborted(server: Listening, signal: AbortSignal): Promise<void> {
  await once(signal, "abort");
  await server.drain(STOP_MS.requests);
}
