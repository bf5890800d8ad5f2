import { createNotifications, type Notifications } from "../cache/notifications.js";
import { createUserCache, type UserCache } from "../cache/user-cache.js";
import { createFeedPages, type FeedPages } from "../changes/pages.js";
import { createFeedTail, type FeedTail } from "../changes/tail.js";
import type { ConfigWithSecretKey } from "../config.js";
import { type Availability, createAvailability } from "../db/connection/availability.js";
import { AppError } from "../lib/errors.js";
import { createFieldPolicy, type FieldPolicy } from "../lib/field-policy/policy.js";
import type { Logger } from "../observability/logger.js";
import { createRefetcher, type Refetcher } from "../sync/answers/refetcher.js";
import type { OnCommitted } from "../sync/apply/batch.js";
import { switchActivityHistory } from "../sync/ledger/activity-history.js";
import { type Completeness, createCompleteness } from "../sync/ledger/proof.js";
import type { Run } from "../sync/ledger/runs.js";
import { ensureUpstreamIdentity, type UpstreamIdentity } from "../sync/ledger/upstream-identity.js";
import { createLeader, type Leader } from "../sync/schedule/leader.js";
import { createSearchTidying, type SearchTidying } from "../sync/upkeep/search-tidying.js";
import { createUpstream, type Upstream, type UpstreamObserver } from "../upstream/client.js";
import { withFieldPolicy } from "../upstream/kept-fields.js";
import type { RequestQueue } from "../upstream/request-queue.js";
import { type ClerkApi, createClerkApi } from "../upstream/users.js";
import { openRequestQueue } from "./request-queue.js";
import type { Store } from "./store.js";

/** Everything that talks to Clerk or changes the mirror. The server and the commands both use it. */
export interface Mirror {
  store: Store;
  availability: Availability;
  upstream: Upstream;
  /** What it answers holds only what the policy keeps. */
  api: ClerkApi;
  fieldPolicy: FieldPolicy;
  completeness: Completeness;
  cache: UserCache;
  notifications: Notifications;
  feed: { pages: FeedPages; tail: FeedTail };
  /** Call it after each commit and before answering: it removes the changed users from this process's cache. */
  onCommitted: OnCommitted;
  refetcher: Refetcher;
  leader: Leader;
  searchTidying: SearchTidying;
  /** How many requests to Clerk wait for their part of the budget. */
  upstreamWaiting: RequestQueue["waiting"];
}

/** Who is told of what the mirror does. A command counts nothing. */
export interface MirrorObservers {
  upstream?: UpstreamObserver;
  onRunEnded?: (run: Run) => void;
}

/** Throws `configuration` when the store holds the users of another Clerk instance. */
export async function openMirror(
  config: ConfigWithSecretKey,
  store: Store,
  log: Logger,
  observers: MirrorObservers = {},
): Promise<Mirror> {
  const { database, clock } = store;
  const { sql } = database.primary;
  const { clerk, upstream: limits, reconcile } = config;
  const availability = createAvailability({ database, log });
  const queue = openRequestQueue(sql, availability, limits);
  const upstream = createUpstream({
    apiUrl: clerk.apiUrl,
    secretKey: clerk.secretKey,
    apiVersion: clerk.apiVersion,
    timeoutMs: limits.timeoutMs,
    queue,
    ...(observers.upstream && { observe: observers.upstream }),
    now: clock.now,
    log,
  });
  const fieldPolicy = createFieldPolicy(config.fieldPolicy);
  const api = withFieldPolicy(createClerkApi(upstream), fieldPolicy);
  const identity: UpstreamIdentity = {
    apiUrl: clerk.apiUrl,
    environment: clerk.secretKey.startsWith("sk_live_") ? "live" : "test",
    instanceId: await instanceId(api, log),
    fieldPolicy: fieldPolicy.fingerprint,
  };
  const claimUpstream = async () => {
    await ensureUpstreamIdentity(sql, identity);
    await switchActivityHistory(sql, config.history.keepsActivity);
  };
  await claimUpstream();
  const completeness = createCompleteness(sql);
  const lagMs = limits.lagMs;
  const searchTidying = createSearchTidying({ sql: database.primary.patient, log });
  const notifications = createNotifications({
    connections: database.connections,
    onChange(ids) {
      cache.invalidate(ids);
      searchTidying.noteChange();
      tail.notice();
    },
    log,
  });
  const pages = createFeedPages({ sql, availability, nowMs: clock.now, ...config.changes });
  const tail = createFeedTail({ pages, isHearing: notifications.isHearing, log });
  const cache = createUserCache({ ...config.cache, isCurrent: notifications.isHearing });
  const onCommitted: OnCommitted = (applied) => cache.invalidate(applied.users.keys());
  const refetcher = createRefetcher({ sql, api, lagMs, onCommitted, log });
  const leader = createLeader({
    ...{ primary: database.primary, api, clock, lagMs, log, completeness, claimUpstream },
    requests: () => upstream.requests,
    ...(observers.onRunEnded && { onRunEnded: observers.onRunEnded }),
    purgeLimit: reconcile.purgeLimit,
    intervalMs: reconcile.intervalMs,
    fullIntervalMs: reconcile.fullIntervalMs,
  });
  return {
    ...{ store, availability, upstream, api, fieldPolicy, completeness, cache, notifications, onCommitted },
    upstreamWaiting: queue.waiting,
    ...{ refetcher, leader, searchTidying, feed: { pages, tail } },
  };
}

/** Null when Clerk doesn't answer: the mirror starts all the same. Throws `configuration` for a wrong key or address. */
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
