// Covers src/http/tracing.ts

import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect } from "vitest";
import { startSandbox } from "../../src/sandbox/server.js";
import { test } from "../support/database.js";
import { spawnMirror } from "../support/mirror.js";

const EXAMPLE = pathToFileURL(join(import.meta.dirname, "../../examples/tracing.mjs")).href;

/** What understands OTLP, as far as it says which spans it was sent. */
async function startCollector() {
  const names: string[] = [];
  const server = createServer(async (incoming, outgoing) => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const { resourceSpans } = JSON.parse(Buffer.concat(chunks).toString());
    for (const { scopeSpans } of resourceSpans)
      for (const { spans } of scopeSpans) for (const { name } of spans) names.push(name);
    outgoing.writeHead(200, { "content-type": "application/json" }).end("{}");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return { names, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

test("the example sends a span of each request to a collector, user by id included", async ({ db }) => {
  const collector = await startCollector();
  const sandbox = await startSandbox({ users: 3 });
  const env = {
    NODE_OPTIONS: `--import ${EXAMPLE}`,
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_TRACES_SAMPLER_ARG: "1",
    OTEL_BSP_SCHEDULE_DELAY: "50",
  };
  const { url, child } = await spawnMirror({ sandbox, databaseUrl: db.url, env });
  try {
    const id = String(sandbox.clerk.users()[0]?.id);
    const headers = { Authorization: "Bearer um_test" };
    expect((await fetch(`${url}/v1/users/${id}`, { headers })).status).toBe(200);
    await expect.poll(() => collector.names, { timeout: 10_000 }).toContain("GET /v1/users/{id}");
    expect(collector.names).toContain("GET /readyz");
  } finally {
    const exited = once(child, "exit");
    child.kill("SIGTERM");
    await exited;
    await sandbox.close();
    collector.server.closeAllConnections();
    collector.server.close();
  }
});
