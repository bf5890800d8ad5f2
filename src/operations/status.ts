import type { CacheStats } from "../cache/user-cache.js";
import { counterNamed, readCounters } from "../changes/counters.js";
import type { Sql } from "../db/connection/sql.js";
import { type QuotaUse, readQuotaUse } from "../db/quota-store.js";
import { shareNextRun } from "../lib/async.js";
import { DAY_MS } from "../lib/days.js";
import { packageVersion } from "../lib/package.js";
import type { WebhookPace } from "../sync/webhooks/recent.js";

/** How many users differed from Clerk's, by the kind of message that should have told the mirror. */
type Drift = { missed_create: number; missed_update: number; missed_delete: number };

/** The state of the mirror, as `GET /mirror/status` and `user-mirror status` show it. Times are in milliseconds. */
export type Status = {
  /** `degraded`: the last run failed or was stopped, and what is served is as old as `as_of`. */
  state: "backfilling" | "live" | "degraded";
  users: number;
  organizations: number;
  memberships: number;
  /** The moment up to which a run proved the users complete. */
  as_of: number | null;
  memberships_as_of: number | null;
  backfilled_at: number | null;
  upstream: {
    api_url: string;
    environment: string;
    instance_id: string | null;
    /**
     * How many users Clerk counted when it was last asked, and how many were here. A check leaves out the most recent
     * ones.
     */
    users: number | null;
    users_here: number | null;
    counted_at: number | null;
  } | null;
  /**
   * Of the last 30 days that have ended, how many are known with everybody who was active on them, and which aren't. Null: no days
   * of activity are kept.
   */
  activity: { since: number; complete_days: number; incomplete_days: string[] } | null;
  last_runs: object[];
  /** What the runs of the last 7 days found, and how much of it they repaired. */
  drift: { found: Drift; repaired: Drift };
  /** Which process does the runs. Null if none does at present. */
  walker: { holder: string; expires_at: number } | null;
  budget: QuotaUse;
  /** About the process that answers. Null if only a server knows it. */
  cache: CacheStats | null;
  dead_letters: number;
  refetches: number;
  /**
   * Milliseconds from an event at Clerk until it can be read here, of the webhooks of the last ten minutes at the process that answers. Null
   * if there were none, or only a server knows.
   */
  lag: WebhookPace["lag"];
  /** Webhooks of the last 7 days, by outcome; and how many a second come to the process that answers. */
  webhooks: { configured: boolean | null; outcomes: Record<string, number>; per_second: number | null };
  versions: { mirror: string; node: string; postgres: string };
  database: { embedded: { location: string; locale: string } | null };
};

export interface StatusDeps {
  sql: Sql;
  embedded: { location: string; locale: string } | null;
  /** Whether a signing secret is set. Null if only the server knows. */
  webhooks: boolean | null;
  cache: (() => CacheStats) | null;
  /** Null if only a server knows it. */
  pace: (() => WebhookPace) | null;
  /** The latest first. */
  lastRuns: (limit: number) => Promise<{ state: string; mode: string }[]>;
}

const LAST_RUNS = 5;
const DRIFT_MS = 7 * DAY_MS;
const ACTIVITY_DAYS = 30;

export function createStatusReader(parts: StatusDeps): { read(): Promise<Status> } {
  const { sql, embedded, webhooks, cache, pace, lastRuns } = parts;

  async function read(): Promise<Status> {
    const [counters, [upstream], runs, drift, [open], outcomes, [server], budget, activity] =
      await Promise.all([
        readCounters(sql),
        sql<UpstreamRow[]>`
        select api_url, environment, instance_id, counted, counted_here, counted_at, backfilled_at, as_of, memberships_as_of
        from mirror_data.upstream`,
        lastRuns(LAST_RUNS),
        readDrift(sql),
        sql<OpenRow[]>`
        select (${sql.unsafe(counterNamed("'memberships'"))}) - (
            -- What the views leave out: memberships outlive the tombstones of their users and organizations.
            select count(*) from mirror_data.users u join mirror_data.organization_memberships m on m.user_id = u.id
            where u.deleted_at is not null and m.payload is not null
          ) - (
            select count(*) from mirror_data.organizations o
            join mirror_data.organization_memberships m on m.organization_id = o.id
            where o.deleted_at is not null and m.payload is not null and not exists (
              select from mirror_data.users u where u.id = m.user_id and u.deleted_at is not null)
          ) as memberships,
          (select count(*) from mirror_data.dead_letters) as dead_letters,
          (select count(*) from mirror_data.refetches) as refetches,
          l.holder, l.expires_at
        from (select) as one left join mirror_data.leases l
          on l.expires_at > extract(epoch from clock_timestamp()) * 1000`,
        sql<{ outcome: string; n: number }[]>`
        select outcome, sum(n)::bigint as n from mirror_data.delivery_counts
        group by outcome having sum(n) > 0 order by outcome`,
        sql<{ version: string }[]>`select current_setting('server_version') as version`,
        readQuotaUse(sql),
        readActivity(sql),
      ]);
    return {
      state: upstream?.backfilled_at == null ? "backfilling" : isTroubled(runs) ? "degraded" : "live",
      users: counters.users,
      organizations: counters.organizations,
      memberships: open?.memberships ?? 0,
      as_of: upstream?.as_of ?? null,
      memberships_as_of: upstream?.memberships_as_of ?? null,
      backfilled_at: upstream?.backfilled_at ?? null,
      upstream: upstream ? presentUpstream(upstream) : null,
      activity,
      last_runs: runs,
      drift,
      walker: open?.holder ? { holder: open.holder, expires_at: open.expires_at } : null,
      budget,
      cache: cache?.() ?? null,
      lag: pace?.().lag ?? null,
      dead_letters: open?.dead_letters ?? 0,
      refetches: open?.refetches ?? 0,
      webhooks: {
        configured: webhooks,
        outcomes: Object.fromEntries(outcomes.map(({ outcome, n }) => [outcome, n])),
        per_second: pace?.().per_second ?? null,
      },
      versions: { mirror: packageVersion(), node: process.versions.node, postgres: server?.version ?? "" },
      database: { embedded: embedded && { location: embedded.location, locale: embedded.locale } },
    };
  }
  // However many callers ask at once, Postgres is asked twice at most.
  return { read: shareNextRun(read) };
}

interface UpstreamRow {
  api_url: string;
  environment: string;
  instance_id: string | null;
  counted: number | null;
  counted_here: number | null;
  counted_at: number | null;
  backfilled_at: number | null;
  as_of: number | null;
  memberships_as_of: number | null;
}

interface OpenRow {
  memberships: number;
  dead_letters: number;
  refetches: number;
  holder: string | null;
  expires_at: number;
}

function presentUpstream(row: UpstreamRow) {
  const { api_url, environment, instance_id, counted, counted_here, counted_at } = row;
  return { api_url, environment, instance_id, users: counted, users_here: counted_here, counted_at };
}

/** The run that ended last decides. Dry runs tell nothing, and sweeps only who was active. */
function isTroubled(runs: readonly { state: string; mode: string }[]): boolean {
  const ended = runs.find(
    ({ state, mode }) => /^(succeeded|failed|stopped)$/.test(state) && !/^(d|sweep$)/.test(mode),
  );
  return ended !== undefined && ended.state !== "succeeded";
}

async function readActivity(sql: Sql): Promise<Status["activity"]> {
  const rows = await sql<{ since: number; day: string | null; is_complete: boolean }[]>`
    select u.activity_since as since, days.day::text as day, coalesce(d.active_complete, false) as is_complete
    from mirror_data.upstream u
    left join (
      select (now() at time zone 'UTC')::date - ago as day from generate_series(1, ${ACTIVITY_DAYS}::integer) as ago
    ) as days on days.day >= (to_timestamp(u.activity_since / 1000.0) at time zone 'UTC')::date
    left join mirror_data.daily_users d on d.day = days.day
    where u.activity_since is not null order by days.day`;
  const [first] = rows;
  if (!first) return null;
  const days = rows.filter(({ day }) => day !== null);
  const incomplete = days.filter((row) => !row.is_complete).map(({ day }) => day as string);
  return {
    since: first.since,
    complete_days: days.length - incomplete.length,
    incomplete_days: incomplete,
  };
}

async function readDrift(sql: Sql): Promise<Status["drift"]> {
  const [row] = await sql<(Drift & { not_deleted: number })[]>`
    select coalesce(sum(missed_create), 0)::bigint as missed_create,
      coalesce(sum(missed_update), 0)::bigint as missed_update,
      coalesce(sum(missed_delete), 0)::bigint as missed_delete,
      coalesce(sum(missed_delete) filter (where state = 'stopped'), 0)::bigint as not_deleted
    from mirror_data.runs
    where mode in ('incremental', 'full', 'sweep')
      and queued_at > extract(epoch from clock_timestamp()) * 1000 - ${DRIFT_MS}::bigint`;
  const { not_deleted = 0, ...found } = row ?? { missed_create: 0, missed_update: 0, missed_delete: 0 };
  return { found, repaired: { ...found, missed_delete: found.missed_delete - not_deleted } };
}
