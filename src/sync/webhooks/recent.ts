import type { WebhookStatus } from "./ingest.js";

/** How webhooks come in at this process. */
export interface RecentWebhooks {
  /** A webhook was answered. `sentAtMs`: when Clerk says that its event happened. */
  note(webhook: { status: WebhookStatus; sentAtMs: number | null }): void;
  read(): WebhookPace;
}

export interface WebhookPace {
  /** A second, over the last minute. */
  per_second: number;
  /** Milliseconds from the event at Clerk until it could be read here, of those of the last ten minutes. Null: there were none. */
  lag: { p50: number; p95: number; p99: number } | null;
}

const MOST_LAGS = 1000;
const LAGS_MS = 600_000;
const SECONDS = 60;

/** `nowMs` is the primary's time. Clocks differ, so that a lag may seem to be less than nothing: it is none then. */
export function createRecentWebhooks(nowMs: () => number): RecentWebhooks {
  const lags: { atMs: number; ms: number }[] = [];
  let next = 0;
  const counts = new Array<number>(SECONDS).fill(0);
  let second = Math.floor(nowMs() / 1000);

  /** Empties the seconds in which nothing came. */
  function moveOn(): number {
    const now = Math.floor(nowMs() / 1000);
    for (let n = Math.max(second + 1, now - SECONDS + 1); n <= now; n++) counts[n % SECONDS] = 0;
    second = Math.max(second, now);
    return second % SECONDS;
  }

  return {
    note({ status, sentAtMs }) {
      const at = moveOn();
      counts[at] = (counts[at] ?? 0) + 1;
      if (status !== "applied" || sentAtMs === null) return;
      const atMs = nowMs();
      lags[next] = { atMs, ms: Math.max(0, atMs - sentAtMs) };
      next = (next + 1) % MOST_LAGS;
    },
    read() {
      moveOn();
      const sinceMs = nowMs() - LAGS_MS;
      const sorted = lags.flatMap(({ atMs, ms }) => (atMs >= sinceMs ? [ms] : [])).sort((a, b) => a - b);
      const percentile = (p: number) => Math.round(sorted[Math.ceil(sorted.length * p) - 1] ?? 0);
      return {
        per_second: Math.round((counts.reduce((sum, n) => sum + n, 0) / SECONDS) * 100) / 100,
        lag:
          sorted.length === 0 ? null : { p50: percentile(0.5), p95: percentile(0.95), p99: percentile(0.99) },
      };
    },
  };
}
