// Covers src/observability/{scrape,process-metrics}.ts

import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { createRequestCounter, type MeasuredRequest } from "../../src/observability/http-metrics.js";
import { createMetrics } from "../../src/observability/scrape.js";

const NOTHING = { runModes: [], runStates: [], driftReasons: [], budgets: [] };
const request: MeasuredRequest = { method: "GET", route: "/v1/users/{id}", status: 200, ms: 0.4 };

async function printed(...requests: Partial<MeasuredRequest>[]): Promise<string[]> {
  const registry = new Registry();
  const count = createRequestCounter(registry);
  for (const one of requests) count({ ...request, ...one });
  return (await registry.metrics()).split("\n");
}

const labels = 'http_request_method="GET",http_route="/v1/users/{id}",http_response_status_code="200"';

test("counts requests by method, route and status, in buckets from half a millisecond on", async () => {
  const lines = await printed({}, { ms: 0.5 }, { ms: 0.6 }, { ms: 90_000 });
  expect(lines).toContain("# TYPE http_server_request_duration_seconds histogram");
  expect(lines).toContain(`http_server_request_duration_seconds_bucket{${labels},le="0.0005"} 2`);
  expect(lines).toContain(`http_server_request_duration_seconds_bucket{${labels},le="0.001"} 3`);
  expect(lines).toContain(`http_server_request_duration_seconds_bucket{${labels},le="60"} 3`);
  expect(lines).toContain(`http_server_request_duration_seconds_bucket{${labels},le="+Inf"} 4`);
  expect(lines).toContain(`http_server_request_duration_seconds_count{${labels}} 4`);
  expect(lines.find((line) => line.startsWith("http_server_request_duration_seconds_sum"))).toMatch(
    /} 90\.0015/,
  );
});

test("what nobody asked yet has no lines, and each combination its own", async () => {
  expect((await printed()).filter((line) => line.startsWith("http_"))).toEqual([]);
  const counts = (await printed({}, { status: 404 }, { method: "HEAD" }, { route: "unmatched" })).filter(
    (line) => line.includes("_count{"),
  );
  expect(counts).toHaveLength(4);
});

test("a method that HTTP doesn't know is no label of its own", async () => {
  const counts = (await printed({ method: "BREW" }, { method: "STEAL" })).filter((line) =>
    line.includes("_count{"),
  );
  expect(counts).toHaveLength(1);
  expect(counts[0]).toContain('http_request_method="_OTHER"');
});

test("several servers of a process share what is the process's own, and nothing else", async () => {
  const [one, other] = [createMetrics(NOTHING), createMetrics(NOTHING)];
  one.countRequest(request);
  const [ofOne, ofOther] = [(await one.scrape()).text, (await other.scrape()).text];
  expect(ofOne).toContain("http_server_request_duration_seconds_count");
  expect(ofOther).not.toContain("http_server_request_duration_seconds_count");
  for (const text of [ofOne, ofOther]) expect(text).toMatch(/^nodejs_eventloop_lag_p99_seconds /m);
});
