import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { createMirrorCounters, type MirrorCounters } from "../../src/observability/mirror-metrics.js";

const KNOWN = {
  runModes: ["full", "sweep"],
  runStates: ["succeeded", "failed"],
  driftReasons: ["missed_create", "missed_delete"],
  budgets: ["reads"],
};

async function counted(happen: (count: MirrorCounters) => void): Promise<string[]> {
  const registry = new Registry();
  happen(createMirrorCounters(registry, KNOWN));
  return (await registry.metrics()).split("\n");
}

test("tells webhooks by outcome, and how late those were that say when they happened", async () => {
  const lines = await counted((count) => {
    count.webhook({ outcome: "applied", lagMs: 200 });
    count.webhook({ outcome: "applied", lagMs: -300 });
    count.webhook({ outcome: "duplicate", lagMs: null });
  });
  expect(lines).toContain('user_mirror_webhooks_total{outcome="applied"} 2');
  expect(lines).toContain('user_mirror_webhooks_total{outcome="duplicate"} 1');
  expect(lines).toContain('user_mirror_webhooks_total{outcome="failed"} 0');
  expect(lines).toContain("user_mirror_webhook_lag_seconds_count 2");
  expect(lines).toContain("user_mirror_webhook_lag_seconds_sum 0.2");
});

test("tells batches by their size and time", async () => {
  const lines = await counted((count) => {
    count.batch({ events: 7, ms: 4 });
    count.batch({ events: 64, ms: 20 });
  });
  expect(lines).toContain('user_mirror_webhook_batch_events_bucket{le="10"} 1');
  expect(lines).toContain("user_mirror_webhook_batch_events_sum 71");
  expect(lines).toContain('user_mirror_webhook_batch_duration_seconds_bucket{le="0.005"} 1');
});

test("tells requests to Clerk by endpoint, part of the budget and status, and those that weren't sent", async () => {
  const sent = { method: "GET", endpoint: "/v1/users", budget: "background", ms: 60 };
  const lines = await counted((count) => {
    count.upstreamRequest({ ...sent, status: 200 });
    count.upstreamRequest({ ...sent, status: null });
    count.upstreamRefused("reads");
  });
  const labels = 'http_request_method="GET",endpoint="/v1/users",budget="background"';
  expect(lines).toContain(`user_mirror_upstream_requests_total{${labels},http_response_status_code="200"} 1`);
  expect(lines).toContain(
    `user_mirror_upstream_requests_total{${labels},http_response_status_code="none"} 1`,
  );
  expect(lines).toContain(`user_mirror_upstream_request_duration_seconds_bucket{le="0.1",${labels}} 2`);
  expect(lines).toContain('user_mirror_upstream_refused_total{budget="reads"} 1');
});

test("tells runs by mode and how they ended, and what they found", async () => {
  const lines = await counted((count) => {
    count.run({ mode: "full", state: "succeeded", ms: 4000, found: { missed_create: 2, missed_update: 0 } });
    count.run({ mode: "incremental", state: "failed", ms: null, found: {} });
  });
  expect(lines).toContain('user_mirror_runs_total{mode="full",state="succeeded"} 1');
  expect(lines).toContain('user_mirror_runs_total{mode="incremental",state="failed"} 1');
  expect(lines).toContain('user_mirror_runs_total{mode="sweep",state="failed"} 0');
  expect(lines).toContain('user_mirror_drift_total{reason="missed_create"} 2');
  expect(lines).toContain('user_mirror_drift_total{reason="missed_delete"} 0');
  expect(lines).toContain('user_mirror_run_duration_seconds_count{mode="full"} 1');
});

test("tells failures by code, and apart from them what was shed and what was limited", async () => {
  const lines = await counted((count) => {
    for (const code of ["overloaded", "overloaded", "rate_limited", "not_found"]) count.failure(code);
  });
  expect(lines).toContain("user_mirror_requests_shed_total 2");
  expect(lines).toContain("user_mirror_requests_limited_total 1");
  expect(lines).toContain('user_mirror_request_failures_total{code="not_found"} 1');
});
