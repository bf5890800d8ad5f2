import { trace } from "@opentelemetry/api";
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-node";
import { afterEach, expect, test } from "vitest";
import { loadTracing } from "../../src/http/tracing.js";
import { silentLogger } from "../../src/observability/logger.js";
import { bearer, MIRROR_KEY, type Overrides, standInApp } from "./stand-ins.js";

afterEach(() => trace.disable());

/** The app of somebody who has started an SDK, and the spans that it was given. */
async function traced(overrides: Overrides = {}) {
  const spans = new InMemorySpanExporter();
  new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] }).register();
  const { app } = standInApp({ ...overrides, trace: await loadTracing(silentLogger()) });
  return { app, spans: () => spans.getFinishedSpans() };
}

test("without an SDK nothing is loaded", async () => {
  expect(await loadTracing(silentLogger())).toBeUndefined();
});

test("makes a span of each request, named by its route, within the trace that its caller began", async () => {
  const { app, spans } = await traced();
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const headers = { ...bearer(MIRROR_KEY).headers, traceparent, "X-Request-Id": "mine-1" };
  await (await app.request("/v1/users/user_1/organization_memberships", { headers })).text();
  const [span, ...others] = spans();
  expect(others).toEqual([]);
  expect(span?.name).toBe("GET /v1/users/{id}/organization_memberships");
  expect(span?.spanContext().traceId).toBe("0af7651916cd43dd8448eb211c80319c");
  expect(span?.attributes).toEqual({
    "http.request.method": "GET",
    "http.response.status_code": 200,
    "http.route": "/v1/users/{id}/organization_memberships",
    "service.name": "user-mirror",
    "service.version": expect.any(String),
    "user_mirror.request_id": "mine-1",
  });
});

test.each([
  ["/v1/users?email_address=planted@example.com", 200],
  ["/v1/users/user_planted", 404],
  ["/mirror/runs/run_planted", 404],
  ["/planted/nowhere?planted", 404],
])("no span has a path, an id, a query or a key in it: %s", async (path, status) => {
  const { app, spans } = await traced();
  expect((await app.request(path, bearer(MIRROR_KEY))).status).toBe(status);
  expect(spans()).toHaveLength(1);
  const told = JSON.stringify(spans().map(({ name, attributes, events }) => ({ name, attributes, events })));
  expect(told).not.toContain("planted");
  expect(told).not.toContain(MIRROR_KEY);
});

test("a failure marks its span, without what its message quotes", async () => {
  const { parts } = standInApp();
  const users = {
    ...parts.users,
    users: {
      ...parts.users.users,
      count: () => Promise.reject(Object.assign(new Error('invalid: "planted"'), { code: "22P02" })),
    },
  };
  const { app, spans } = await traced({ users });
  expect((await app.request("/v1/users/count", bearer(MIRROR_KEY))).status).toBe(500);
  expect(spans()[0]).toMatchObject({ name: "GET /v1/users/count", status: { code: 2 } });
  expect(spans()[0]?.events).toHaveLength(1);
  expect(JSON.stringify(spans()[0]?.events)).not.toContain("planted");
});
