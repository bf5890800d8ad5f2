import { Counter, Histogram, type Registry } from "prom-client";

/** What became of a webhook. `refused`: it isn't Clerk's, or too large. `failed`: Svix sends it again. */
export type WebhookOutcome =
  | "applied"
  | "duplicate"
  | "stale"
  | "ignored"
  | "dead_lettered"
  | "refused"
  | "failed";

/** What is counted as it happens, in the mirror's own metrics. None of it throws. */
export interface MirrorCounters {
  /** `lagMs`: since it happened at Clerk, where that is known and it changed something. */
  webhook(seen: { outcome: WebhookOutcome; lagMs: number | null }): void;
  /** A batch of webhooks was committed, or couldn't be. */
  batch(committed: { events: number; ms: number }): void;
  /** A request to Clerk was answered; `status` null: it wasn't. `endpoint` is one of a bounded set. */
  upstreamRequest(sent: {
    method: string;
    endpoint: string;
    budget: string;
    status: number | null;
    ms: number;
  }): void;
  /** A request to Clerk wasn't sent, because its part of the budget is used up. */
  upstreamRefused(budget: string): void;
  /** `found`: how many users differed, by reason. */
  run(ended: {
    mode: string;
    state: string;
    ms: number | null;
    found: Readonly<Record<string, number>>;
  }): void;
  /** A request was answered with an error that the mirror itself made. */
  failure(code: string): void;
}

const LAG_SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600];
const BATCH_EVENTS = [1, 2, 5, 10, 20, 40, 64];
const BATCH_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 10];
const UPSTREAM_SECONDS = [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const RUN_SECONDS = [0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800, 3600, 6 * 3600, 24 * 3600];

const UPSTREAM_LABELS = ["http_request_method", "endpoint", "budget"] as const;

/** The values of labels that are known before anything happens. Rates and alerts need a zero to start from. */
export interface KnownLabels {
  runModes: readonly string[];
  runStates: readonly string[];
  driftReasons: readonly string[];
  budgets: readonly string[];
}

export function createMirrorCounters(registry: Registry, known: KnownLabels): MirrorCounters {
  const registers = [registry];
  const webhooks = new Counter({
    name: "user_mirror_webhooks_total",
    help: "Webhooks by what became of them.",
    ...{ labelNames: ["outcome"], registers },
  });
  const lag = new Histogram({
    name: "user_mirror_webhook_lag_seconds",
    help: "From an event at Clerk until it was committed here, for those that changed something.",
    ...{ buckets: LAG_SECONDS, registers },
  });
  const batchEvents = new Histogram({
    name: "user_mirror_webhook_batch_events",
    help: "How many webhooks were committed together.",
    ...{ buckets: BATCH_EVENTS, registers },
  });
  const batchDuration = new Histogram({
    name: "user_mirror_webhook_batch_duration_seconds",
    help: "How long the commit of a batch of webhooks took.",
    ...{ buckets: BATCH_SECONDS, registers },
  });
  const requests = new Counter({
    name: "user_mirror_upstream_requests_total",
    help: "Requests to Clerk by endpoint, part of the budget and status; 'none': there was no answer.",
    ...{ labelNames: [...UPSTREAM_LABELS, "http_response_status_code"], registers },
  });
  const duration = new Histogram({
    name: "user_mirror_upstream_request_duration_seconds",
    help: "How long Clerk took to answer.",
    ...{ labelNames: UPSTREAM_LABELS, buckets: UPSTREAM_SECONDS, registers },
  });
  const refused = new Counter({
    name: "user_mirror_upstream_refused_total",
    help: "Requests to Clerk that weren't sent, because their part of the budget was used up.",
    ...{ labelNames: ["budget"], registers },
  });
  const runs = new Counter({
    name: "user_mirror_runs_total",
    help: "Backfills and reconciles that ended in this process.",
    ...{ labelNames: ["mode", "state"], registers },
  });
  const runDuration = new Histogram({
    name: "user_mirror_run_duration_seconds",
    help: "How long runs took.",
    ...{ labelNames: ["mode"], buckets: RUN_SECONDS, registers },
  });
  const drift = new Counter({
    name: "user_mirror_drift_total",
    help: "Users that a run found to differ from Clerk's, by the message that the mirror had missed.",
    ...{ labelNames: ["reason"], registers },
  });
  const failures = new Counter({
    name: "user_mirror_request_failures_total",
    help: "Requests that the mirror itself answered with an error, by its code; 'bug': an unexpected one.",
    ...{ labelNames: ["code"], registers },
  });
  const shed = new Counter({
    name: "user_mirror_requests_shed_total",
    help: "Requests refused with 503 because the mirror had more to do than it can.",
    registers,
  });
  const limited = new Counter({
    name: "user_mirror_requests_limited_total",
    help: "Requests refused with 429: their key's limit, or the budget of requests to Clerk.",
    registers,
  });
  for (const mode of known.runModes) for (const state of known.runStates) runs.inc({ mode, state }, 0);
  for (const reason of known.driftReasons) drift.inc({ reason }, 0);
  for (const budget of known.budgets) refused.inc({ budget }, 0);
  for (const outcome of OUTCOMES) webhooks.inc({ outcome }, 0);

  return {
    webhook({ outcome, lagMs }) {
      webhooks.inc({ outcome });
      // Clocks differ.
      if (lagMs !== null) lag.observe(Math.max(0, lagMs) / 1000);
    },
    batch({ events, ms }) {
      batchEvents.observe(events);
      batchDuration.observe(ms / 1000);
    },
    upstreamRequest({ method, endpoint, budget, status, ms }) {
      const labels = { http_request_method: method, endpoint, budget };
      requests.inc({ ...labels, http_response_status_code: status ?? "none" });
      duration.observe(labels, ms / 1000);
    },
    upstreamRefused: (budget) => refused.inc({ budget }),
    run({ mode, state, ms, found }) {
      runs.inc({ mode, state });
      if (ms !== null) runDuration.observe({ mode }, ms / 1000);
      for (const [reason, n] of Object.entries(found)) drift.inc({ reason }, n);
    },
    failure(code) {
      failures.inc({ code });
      if (code === "overloaded") shed.inc();
      if (code === "rate_limited") limited.inc();
    },
  };
}

const OUTCOMES: readonly WebhookOutcome[] = [
  ...(["applied", "duplicate", "stale", "ignored"] as const),
  ...(["dead_lettered", "refused", "failed"] as const),
];
