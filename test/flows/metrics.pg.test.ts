// Covers src/observability/, src/runtime/metrics.ts

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import type { RunningServer } from "../../src/runtime/server.js";
import { type Sandbox, startSandbox } from "../../src/sandbox/server.js";
import { freshDatabase, type OwnDatabase } from "../support/database.js";
import { readScrape, type ScrapedMetric } from "../support/metrics.js";
import { startMirror } from "../support/mirror.js";
import { problemsOf } from "../support/promql.js";

const DOCS = join(import.meta.dirname, "../../docs/observability");
const read = (name: string) => readFileSync(join(DOCS, name), "utf8");

let sandbox: Sandbox;
let server: RunningServer;
let db: OwnDatabase;
let text: string;
let scraped: Map<string, ScrapedMetric>;
let planted: { userId: string; organizationId: string };

const ask = async (path: string, init: RequestInit = {}) => {
  const response = await fetch(`${server.url}${path}`, {
    ...init,
    headers: { Authorization: "Bearer um_test", ...(init.headers as Record<string, string>) },
  });
  return { status: response.status, text: await response.text() };
};
const scrape = async () => (await fetch(`${server.url}/metrics`)).text();

/** A mirror at work: reads, writes, webhooks of all outcomes, a run that finds something, and errors. */
beforeAll(async () => {
  db = await freshDatabase();
  sandbox = await startSandbox({ users: 30, organizations: 2 });
  server = await startMirror({ sandbox, databaseUrl: db.url });
  const user = sandbox.clerk.createUser({
    email_address: ["planted.person@example.com"],
    first_name: "Planted",
  });
  await sandbox.webhooks.settle();
  planted = { userId: String(user.id), organizationId: String(sandbox.clerk.organizations()[0]?.id) };
  for (let n = 0; n < 3; n++) expect((await ask(`/v1/users/${planted.userId}`)).status).toBe(200);
  await ask(`/v1/users?email_address=planted.person@example.com`);
  await ask(`/v1/users/${planted.userId}/metadata`, {
    method: "PATCH",
    headers: { "content-type": "application/json" },
    body: '{"public_metadata":{"plan":"pro"}}',
  });
  await ask(`/v1/organizations/${planted.organizationId}`);
  await ask("/v1/users/user_unknown");
  await ask("/mirror/users/query", { method: "POST", body: "{}" });
  await ask("/mirror/runs/run_planted");
  await ask("/planted/nowhere");
  await ask("/webhooks/clerk", { method: "POST", body: "{}" });
  await sandbox.webhooks.settle();
  sandbox.webhooks.faults.drop = 1;
  sandbox.clerk.updateUser(planted.userId, { last_name: "Missed" });
  await sandbox.webhooks.settle();
  await server.mirror.leader.execute("full", { signal: AbortSignal.timeout(60_000) });
  text = await scrape();
  scraped = readScrape(text);
});

afterAll(async () => {
  await server.stop();
  await sandbox.close();
  await db.drop();
});

/** The value of the only sample whose line begins so. */
function sample(start: string): number {
  const lines = text.split("\n").filter((line) => line.startsWith(start));
  expect(lines).toHaveLength(1);
  return Number(lines[0]?.split(" ").at(-1));
}

describe("a mirror at work", () => {
  test("tells requests by route, method and status", () => {
    const count = (method: string, route: string, status: number) =>
      sample(
        `http_server_request_duration_seconds_count{http_request_method="${method}",http_route="${route}",http_response_status_code="${status}"}`,
      );
    expect(count("GET", "/v1/users/{id}", 200)).toBe(3);
    expect(count("GET", "/v1/users/{id}", 404)).toBe(1);
    expect(count("PATCH", "/v1/users/{id}/metadata", 200)).toBe(1);
    expect(count("GET", "/mirror/runs/{id}", 404)).toBe(1);
    expect(count("GET", "unmatched", 404)).toBe(1);
    expect(count("POST", "/webhooks/clerk", 400)).toBe(1);
  });

  test("tells webhooks, batches, requests to Clerk, runs and what they found", () => {
    expect(sample('user_mirror_webhooks_total{outcome="applied"}')).toBeGreaterThan(0);
    expect(sample('user_mirror_webhooks_total{outcome="refused"}')).toBe(1);
    expect(sample("user_mirror_webhook_lag_seconds_count")).toBeGreaterThan(0);
    expect(sample("user_mirror_webhook_batch_events_sum")).toBeGreaterThan(0);
    expect(
      sample(
        'user_mirror_upstream_requests_total{http_request_method="PATCH",endpoint="/v1/users/{id}/metadata",budget="writes",http_response_status_code="200"}',
      ),
    ).toBe(1);
    expect(sample('user_mirror_runs_total{mode="full",state="succeeded"}')).toBe(1);
    expect(sample('user_mirror_drift_total{reason="missed_update"}')).toBe(1);
    expect(sample('user_mirror_request_failures_total{code="not_found"}')).toBeGreaterThan(1);
  });

  test("tells its state, the proof, the cache, the pools and what the database holds", () => {
    expect(sample('user_mirror_state{state="live"}')).toBe(1);
    expect(sample('user_mirror_proof_age_seconds{of="users"}')).toBeGreaterThan(0);
    expect(sample("user_mirror_cache_hits_total")).toBeGreaterThan(0);
    expect(sample('user_mirror_pool_max_connections{pool="writes"}')).toBeGreaterThan(0);
    expect(sample('user_mirror_pool_connections{pool="writes",state="idle"}')).toBeGreaterThan(0);
    expect(sample('user_mirror_objects{kind="users"}')).toBe(31);
    expect(sample("user_mirror_database_up")).toBe(1);
  });

  test("has no id, address or name of anybody in it, nor a path that somebody made up", () => {
    for (const piece of [
      planted.userId,
      planted.organizationId,
      "lanted",
      "example.com",
      "um_test",
      "sk_test",
    ])
      expect(text).not.toContain(piece);
    expect(text).not.toMatch(/\buser_(?!mirror_)|\borg_|\brun_planted|@/);
  });

  test("keeps its series few, and their names as Prometheus asks for", () => {
    expect(text.split("\n").length).toBeLessThan(2000);
    for (const [name, { type, labels }] of scraped) {
      expect(name).toMatch(/^(http_server_|user_mirror_|nodejs_|process_)[a-z0-9_]+$/);
      if (name.startsWith("user_mirror_")) expect(name.endsWith("_total")).toBe(type === "counter");
      for (const [label, values] of labels) if (label !== "le") expect(values.size).toBeLessThan(60);
    }
  });
});

describe("the documentation", () => {
  const dashboard = JSON.parse(read("grafana-dashboard.json")) as {
    panels: { title: string; type: string; targets?: { expr: string }[] }[];
    templating: { list: { query: string | { query: string } }[] };
  };
  const ofDashboard = dashboard.panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }): [string, string] => [
      title,
      expr.replaceAll("$__rate_interval", "5m").replaceAll("$job", "user-mirror"),
    ]),
  );
  const { groups } = parse(read("alerts.yaml")) as {
    groups: { rules: { alert: string; expr: string; annotations: Record<string, string> }[] }[];
  };
  const rules = groups.flatMap((group) => group.rules);

  test.each(ofDashboard)("asks in the panel %s for what is there: %s", (_, query) => {
    expect(problemsOf(query, scraped)).toEqual([]);
  });

  test.each(rules.map((rule) => [rule.alert, rule]))(
    "alerts of what is there: %s",
    (_, { expr, annotations }) => {
      expect(problemsOf(expr, scraped)).toEqual([]);
      expect(annotations.summary).toBeTruthy();
      expect(annotations.runbook).toBeTruthy();
    },
  );

  test("lists every metric of the mirror's own, and no other", () => {
    const own = [...text.matchAll(/^# TYPE ((?:user_mirror|http_server)_\w+) (\w+)$/gm)];
    const listed = [
      ...read("README.md").matchAll(
        /^\| `((?:user_mirror|http_server)_\w+)`(?: `\{([^}]*)\}`)? \| (\w+) \|/gm,
      ),
    ];
    expect(listed.map(([, name, , type]) => [name, type]).sort()).toEqual(
      own.map(([, name, type]) => [name, type]).sort(),
    );
    for (const [, name, labels] of listed) {
      const parts = ["", "_bucket"]
        .map((part) => scraped.get(`${name}${part}`))
        .filter((one) => one !== undefined);
      const found = new Set(parts.flatMap((one) => [...one.labels.keys()]).filter((label) => label !== "le"));
      expect([name, [...found].sort()]).toEqual([name, (labels?.split(", ") ?? []).sort()]);
    }
  });
});

describe("the check of queries", () => {
  test.each([
    ["sum(rate(user_mirror_webhooks_total[5m])", "syntax"],
    ["sum(rate(user_mirror_nothing[5m]))", "no metric user_mirror_nothing"],
    ['user_mirror_webhooks_total{result="applied"}', "no label result"],
    ['user_mirror_webhooks_total{outcome="happy"}', 'no outcome "happy"'],
    ["sum by (line) (user_mirror_webhooks_total)", "the label line"],
    ["1 + 1", "nothing"],
  ])("finds what is wrong with %s", (query, problem) => {
    expect(problemsOf(query, scraped).join("; ")).toContain(problem);
  });
});
