import type { Api } from "../visit/api.js";

/** As much of `GET /mirror/status` as pages show. Times are in milliseconds. */
export interface ShownStatus {
  state: "backfilling" | "live" | "degraded";
  users: number;
  organizations: number;
  memberships: number;
  as_of: number | null;
  memberships_as_of: number | null;
  upstream: {
    api_url: string;
    environment: string;
    users: number | null;
    users_here: number | null;
    counted_at: number | null;
  } | null;
  activity: { complete_days: number; incomplete_days: string[] } | null;
  last_runs: ShownRun[];
  drift: { found: Differences; repaired: Differences };
  walker: { holder: string; expires_at: number } | null;
  budget: {
    limit: number | null;
    used: { urgent: number; background: number };
    share: number;
    paused_until: number | null;
  };
  cache: Record<string, number> | null;
  dead_letters: number;
  refetches: number;
  lag: { p50: number; p95: number; p99: number } | null;
  webhooks: { configured: boolean | null; outcomes: Record<string, number>; per_second: number | null };
  versions: Record<string, string>;
  database: { embedded: { location: string; locale: string } | null };
}

type Differences = Readonly<Record<"missed_create" | "missed_update" | "missed_delete", number>>;

export interface ShownRun {
  id: string;
  mode: string;
  state: string;
  started_at: number | null;
  finished_at: number | null;
  users: { seen: number; expected: number | null };
  differences: Differences;
  eta: number | null;
  error: string | null;
}

export const sumOf = (differences: Differences) =>
  differences.missed_create + differences.missed_update + differences.missed_delete;

/** Many may look at a time: they share what is read within a second. */
const SHARED_MS = 900;

export type SharedStatus = (api: Api) => Promise<ShownStatus | null>;

/** Null where it can't be read. Whoever asks must have the scope `admin`. */
export function createSharedStatus(now: () => number = () => performance.now()): SharedStatus {
  let last: { atMs: number; status: Promise<ShownStatus | null> } | null = null;
  return (api) => {
    if (last === null || now() - last.atMs >= SHARED_MS) {
      const status = api
        .get<ShownStatus>("/mirror/status")
        .then(({ isOk, body }) => (isOk ? body : null))
        .catch(() => null);
      last = { atMs: now(), status };
    }
    return last.status;
  };
}
