import type { Sql } from "../db/client.js";

/** How the mirror is, as `GET /mirror/status` and `user-mirror status` show it. Times in milliseconds. */
export type Status = {
  state: "backfilling" | "live";
  users: number;
  organizations: number;
  memberships: number;
  /** The moment up to which a walk proved the mirror complete. */
  as_of: number | null;
  backfilled_at: number | null;
  upstream: { api_url: string; environment: string; instance_id: string | null } | null;
  last_runs: LastRun[];
  dead_letters: number;
  refetches: number;
  /** Webhooks of the last 7 days by outcome. */
  webhooks: { configured: boolean | null; outcomes: Record<string, number> };
  database: { version: string; embedded: { location: string; locale: string } | null };
};

type LastRun = {
  id: string;
  mode: string;
  state: string;
  started_at: number | null;
  finished_at: number | null;
  users_seen: number;
  users_expected: number | null;
  requests: number;
  differences: { missed_create: number; missed_update: number; missed_delete: number };
  error: string | null;
};

export interface StatusParts {
  sql: Sql;
  embedded: { location: string; locale: string } | null;
  /** Whether a signing secret is set; null where only the server knows. */
  webhooks: boolean | null;
}

export function createStatusReader({ sql, embedded, webhooks }: StatusParts): {
  read(): Promise<Status>;
} {
  async function read(): Promise<Status> {
    const [counters, [upstream], runs, [open], outcomes, [server]] = await Promise.all([
      sql<{ name: string; n: number }[]>`select name, n from mirror_data.counters`,
      sql<
        {
          api_url: string;
          environment: string;
          instance_id: string | null;
          backfilled_at: number | null;
          as_of: number | null;
        }[]
      >`select api_url, environment, instance_id, backfilled_at, as_of from mirror_data.upstream`,
      sql<LastRun[]>`
        select id, mode, state, started_at, finished_at, users_seen, users_expected, requests,
          json_build_object('missed_create', missed_create, 'missed_update', missed_update,
            'missed_delete', missed_delete) as differences, error
        from mirror_data.runs order by queued_at desc, id desc limit 5`,
      sql<{ memberships: number; dead_letters: number; refetches: number }[]>`
        select (select count(*) from mirror.organization_memberships) as memberships,
          (select count(*) from mirror_data.dead_letters) as dead_letters,
          (select count(*) from mirror_data.refetches) as refetches`,
      sql<{ outcome: string; n: number }[]>`
        select outcome, count(*)::bigint as n from mirror_data.deliveries group by outcome order by outcome`,
      sql<{ version: string }[]>`select current_setting('server_version') as version`,
    ]);
    const counted = (name: string) => counters.find((counter) => counter.name === name)?.n ?? 0;
    return {
      state: upstream?.backfilled_at == null ? "backfilling" : "live",
      users: counted("users"),
      organizations: counted("organizations"),
      memberships: open?.memberships ?? 0,
      as_of: upstream?.as_of ?? null,
      backfilled_at: upstream?.backfilled_at ?? null,
      upstream: upstream
        ? { api_url: upstream.api_url, environment: upstream.environment, instance_id: upstream.instance_id }
        : null,
      last_runs: runs,
      dead_letters: open?.dead_letters ?? 0,
      refetches: open?.refetches ?? 0,
      webhooks: {
        configured: webhooks,
        outcomes: Object.fromEntries(outcomes.map(({ outcome, n }) => [outcome, n])),
      },
      database: {
        version: server?.version ?? "",
        embedded: embedded && { location: embedded.location, locale: embedded.locale },
      },
    };
  }
  return { read };
}
