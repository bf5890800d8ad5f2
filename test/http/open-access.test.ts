// Covers src/http/open-access.ts, src/http/routes/metrics.ts

import { expect, test } from "vitest";
import type { OpenAccess } from "../../src/http/open-access.js";
import { bearer, MIRROR_KEY, principalWith, SECRET_KEY, standInApp } from "./stand-ins.js";

async function statusOf(openAccess: OpenAccess, headers: Record<string, string> = {}): Promise<number> {
  const { app } = standInApp({ openAccess });
  return (await app.request("/metrics", { headers })).status;
}

const LOCAL = { openTo: "loopback", host: "127.0.0.1" } as const;

test.each(["127.0.0.1", "::1", "localhost"])("is open on %s to whoever is on this machine", async (host) => {
  expect(await statusOf({ openTo: "loopback", host })).toBe(200);
});

test.each(["0.0.0.0", "::", "10.1.2.3", "mirror.internal"])("demands a key on %s", async (host) => {
  expect(await statusOf({ openTo: "loopback", host })).toBe(401);
});

test.each<[string, string]>([
  ["X-Forwarded-For", "203.0.113.9"],
  ["x-forwarded-host", "mirror.example.com"],
  ["X-Forwarded-Proto", "https"],
  ["X-Forwarded-Prefix", "/mirror"],
  ["Forwarded", "for=203.0.113.9"],
  ["Via", "1.1 proxy"],
  ["X-Real-IP", "203.0.113.9"],
  ["X-Forwarded-For", ""],
])("demands a key of what a proxy on this machine forwards: %s: %j", async (name, value) => {
  expect(await statusOf(LOCAL, { [name]: value })).toBe(401);
  expect(await statusOf(LOCAL, { [name]: value, ...bearer(MIRROR_KEY).headers })).toBe(200);
});

test.each(["127.0.0.1:8787", "localhost:8787", "mirror.localhost", "[::1]:8787", "LOCALHOST."])(
  "is open to whoever asks it by the name %s",
  async (host) => {
    expect(await statusOf(LOCAL, { Host: host })).toBe(200);
  },
);

test.each(["evil.example:8787", "127.0.0.1.evil.example", "localhost.evil.example", "10.1.2.3", "a b", ""])(
  "demands a key of a page in a browser whose host's name %j was made to lead here",
  async (host) => {
    expect(await statusOf(LOCAL, { Host: host })).toBe(401);
    expect(await statusOf(LOCAL, { Host: host, ...bearer(MIRROR_KEY).headers })).toBe(200);
    expect(await statusOf({ openTo: "all", host: "127.0.0.1" }, { Host: host })).toBe(200);
  },
);

test("`all` opens it on every address, behind a proxy too; `none` to nobody without a key", async () => {
  const forwarded = { "X-Forwarded-For": "203.0.113.9" };
  expect(await statusOf({ openTo: "all", host: "0.0.0.0" }, forwarded)).toBe(200);
  expect(await statusOf({ openTo: "none", host: "127.0.0.1" })).toBe(401);
});

test("any key opens it, whatever its scopes; one that is unknown doesn't", async () => {
  const closed = { openTo: "none", host: "0.0.0.0" } as const;
  expect(await statusOf(closed, bearer(MIRROR_KEY).headers)).toBe(200);
  expect(await statusOf(closed, bearer(SECRET_KEY).headers)).toBe(200);
  expect(await statusOf(closed, bearer("um_unknown").headers)).toBe(401);
  const { app } = standInApp({ openAccess: closed, authenticate: principalWith() });
  expect((await app.request("/metrics", bearer("any"))).status).toBe(200);
});

test("is told as Prometheus reads it, and not kept", async () => {
  const { app } = standInApp();
  const response = await app.request("/metrics", bearer(MIRROR_KEY));
  expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  expect(response.headers.get("cache-control")).toBe("private, no-store");
  expect(await response.text()).toBe("up 1\n");
  expect((await app.request("/metrics", { ...bearer(MIRROR_KEY), method: "HEAD" })).status).toBe(200);
  expect((await app.request("/metrics", { ...bearer(MIRROR_KEY), method: "POST" })).status).toBe(404);
});
