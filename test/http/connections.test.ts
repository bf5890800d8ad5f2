import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { Writable } from "node:stream";
import { Hono } from "hono";
import { Webhook } from "svix";
import { afterEach, expect, test, vi } from "vitest";
import type { HttpEnv } from "../../src/http/respond.js";
import { type Listening, type ListenOptions, listen } from "../../src/http/server.js";
import { createLogger } from "../../src/observability/logger.js";
import { MIRROR_KEY, type Overrides, standInApp, WEBHOOK_SECRET } from "./stand-ins.js";

let server: Listening;
let sockets: Socket[] = [];

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  sockets = [];
  await server.drain(1000);
});

async function serve(app: Hono<HttpEnv>, limits: ListenOptions["limits"] = {}): Promise<void> {
  server = await listen(app, { host: "127.0.0.1", port: 0, limits });
}

function dial(text = ""): Socket {
  const socket = connect(server.port, "127.0.0.1");
  socket.on("error", () => {});
  sockets.push(socket);
  socket.write(text);
  return socket;
}

/** All that comes until the other side closes. */
async function answerTo(socket: Socket): Promise<string> {
  let text = "";
  socket.on("data", (chunk) => {
    text += chunk;
  });
  await once(socket, "close");
  return text;
}

function signedHead(length: number, body = "x".repeat(length)): string {
  const at = new Date();
  const lines = [
    "POST /webhooks/clerk HTTP/1.1",
    "Host: localhost",
    "Connection: close",
    `Content-Length: ${length}`,
    "svix-id: msg_1",
    `svix-timestamp: ${Math.floor(at.getTime() / 1000)}`,
    `svix-signature: ${new Webhook(WEBHOOK_SECRET).sign("msg_1", at, body)}`,
  ];
  return `${lines.join("\r\n")}\r\n\r\n`;
}

const keyed = (line: string, headers = "") =>
  `${line} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${MIRROR_KEY}\r\n${headers}\r\n`;

/** A list of what was logged, as it grows. */
function logged(overrides: Overrides = {}) {
  const lines: Record<string, unknown>[] = [];
  const stream = new Writable({
    write(chunk, _, done) {
      for (const line of String(chunk).split("\n").filter(Boolean)) lines.push(JSON.parse(line));
      done();
    },
  });
  const { app } = standInApp({
    log: createLogger({ level: "trace", format: "json" }, stream as never),
    ...overrides,
  });
  return { app, lines };
}

test.each([
  ["headers without an end", "POST /webhooks/clerk HTTP/1.1\r\nHost: localhost\r\n"],
  ["a webhook without its body", signedHead(100)],
  ["a webhook with half of it", `${signedHead(100)}xxxx`],
  ["a write without its body", keyed("PATCH /v1/users/user_1", "Content-Length: 10\r\n")],
  ["a chunk without an end", keyed("POST /mirror/reconcile", "Transfer-Encoding: chunked\r\n")],
])("closes %s, and says why in Clerk's shape", async (_, text) => {
  const { app } = logged({
    clerk: {
      ...standInApp().parts.clerk,
      async forward({ body }) {
        for await (const _chunk of body as never as AsyncIterable<unknown>);
        throw new Error("the body never ends");
      },
    },
  });
  await serve(app, { requestMs: 200 });
  const answer = await answerTo(dial(text));
  expect(answer).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\n/);
  expect(answer).toMatch(/\r\ncontent-type: application\/json\r\n/);
  expect(JSON.parse(answer.slice(answer.indexOf("{")))).toMatchObject({
    errors: [{ code: "request_timeout" }],
  });
});

test.each([
  ["webhook", `${signedHead(100)}xxxx`],
  ["request to the mirror", `${keyed("POST /mirror/reconcile", "Content-Length: 100\r\n")}{"mode"`],
  ["chunked request", `${keyed("POST /mirror/reconcile", "Transfer-Encoding: chunked\r\n")}5\r\n{"mod`],
])("a %s that is broken off is a 400 in the log, and nobody's fault", async (_, text) => {
  const { app, lines } = logged();
  await serve(app);
  const socket = dial(text);
  await once(socket, "connect");
  await new Promise((resolve) => socket.write("", resolve));
  // Only once it is being read.
  await vi.waitFor(async () => expect((await fetch(`${server.url}/healthz`)).status).toBe(200));
  socket.destroy();
  const told = () => lines.filter(({ path, msg }) => path !== "/healthz" && msg === "request");
  await vi.waitFor(() => expect(told()).toHaveLength(1));
  expect(told()[0]).toMatchObject({ status: 400, level: 30 });
});

test.each(["GET", "HEAD", "OPTIONS"])(
  "answers a balancer's %s in HTTP/1.0, without a Host",
  async (method) => {
    await serve(standInApp().app);
    for (const path of ["/healthz", "/readyz"]) {
      expect(await answerTo(dial(`${method} ${path} HTTP/1.0\r\n\r\n`))).toMatch(/^HTTP\/1\.1 200 /);
    }
  },
);

// What HAProxy sends for `option httpchk`, alone and with what is written behind it.
test.each([
  ["OPTIONS / HTTP/1.0", 200],
  ["OPTIONS / HTTP/1.1\r\nHost: www\r\nConnection: close", 200],
  ["OPTIONS * HTTP/1.0", 200],
  ["OPTIONS * HTTP/1.1\r\nHost: www\r\nConnection: close", 200],
  ["GET /healthz HTTP/1.1\r\nHost: www\r\nConnection: close", 200],
  ["GET /healthz HTTP/1.1\r\nHost:\r\nConnection: close", 200],
  ["GET / HTTP/1.0", 401],
  ["OPTIONS /v1/users HTTP/1.0", 401],
  ["OPTIONS /mirror/status HTTP/1.0", 401],
])(
  "answers a balancer's %j without a key, and nothing that it could learn from: %i",
  async (head, status) => {
    await serve(standInApp().app);
    const answer = await answerTo(dial(`${head}\r\n\r\n`));
    expect(answer).toContain(`HTTP/1.1 ${status} `);
    const body = JSON.parse(answer.slice(answer.indexOf("{")));
    if (status === 200) expect(body).toEqual({ status: "ok" });
    else expect(body).toMatchObject({ errors: [{ code: "authentication_invalid" }] });
  },
);

test.each([
  ["what isn't HTTP", "hello\r\n\r\n", 400, "bad_request"],
  [
    "headers beyond 128 KiB",
    `GET / HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(140_000)}\r\n\r\n`,
    431,
    "request_headers_too_large",
  ],
])("answers %s in Clerk's shape", async (_, text, status, code) => {
  await serve(standInApp().app);
  const answer = await answerTo(dial(text));
  expect(answer).toContain(`HTTP/1.1 ${status} `);
  expect(JSON.parse(answer.slice(answer.indexOf("{")))).toMatchObject({ errors: [{ code }] });
});

test("a link takes a filter of 64 KiB, and one that is longer is refused by its name", async () => {
  await serve(standInApp().app);
  const ask = async (chars: number) => {
    const filter = `userName eq "${"x".repeat(chars - 14)}"`;
    const target = `/mirror/users?${new URLSearchParams({ filter })}`;
    const answer = await answerTo(
      dial(
        `GET ${target} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${MIRROR_KEY}\r\nConnection: close\r\n\r\n`,
      ),
    );
    return [answer.split(" ", 2)[1], JSON.parse(answer.slice(answer.indexOf("{"))).errors?.[0].meta];
  };
  expect(await ask(65_536)).toEqual(["200", undefined]);
  expect(await ask(65_537)).toEqual(["422", { param_name: "filter" }]);
});

test("webhooks that are being read hold so many bytes together, and what is beyond is sent again", async () => {
  const { app } = logged({
    webhooks: { mostBytesInFlight: 1000 },
  });
  await serve(app);
  const first = dial(`${signedHead(900)}${"x".repeat(890)}`);
  await once(first, "connect");
  const second = () => answerTo(dial(`${signedHead(200)}${"x".repeat(200)}`));
  await vi.waitFor(async () =>
    expect(await second()).toMatch(/^HTTP\/1\.1 503 [\s\S]*\r\nretry-after: 1\r\n/),
  );
  const answer = answerTo(first);
  first.write("x".repeat(10));
  expect(await answer).toMatch(/^HTTP\/1\.1 200 /);
  expect(await second()).toMatch(/^HTTP\/1\.1 200 /);
});

/** Answers when the test lets it. */
function heldApp() {
  let running = 0;
  const seen = { most: 0, begun: 0, closed: false };
  const releases: (() => void)[] = [];
  const app = new Hono<HttpEnv>()
    .get("/held/:n", async (c) => {
      seen.begun++;
      seen.most = Math.max(seen.most, ++running);
      await new Promise<void>((resolve) => releases.push(resolve));
      running--;
      return c.text(`<${c.req.param("n")}>`);
    })
    .get("/large", (c) => {
      c.env.outgoing?.once("close", () => {
        seen.closed = true;
      });
      return c.body(new Uint8Array(16 * 1024 * 1024));
    })
    .get("/", (c) => c.text("here"));
  return { app, seen, releases };
}

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;

test.each([
  ["doesn't come", "Content-Length: 10", "half"],
  ["can't be read", "Transfer-Encoding: chunked", "no length of a chunk\r\n"],
])("a request that was answered before its body %s gets no second answer", async (_, header, body) => {
  await serve(standInApp().app, { requestMs: 300 });
  const socket = dial(`GET /healthz HTTP/1.1\r\nHost: localhost\r\n${header}\r\n\r\n`);
  const answer = answerTo(socket);
  await once(socket, "data");
  socket.write(body);
  expect((await answer).match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 200"]);
});

test("beyond its connections, the one that is idle for longest makes room for a newcomer", async () => {
  const { app, seen } = heldApp();
  await serve(app, { most: 3 });
  const busy = dial(get("/held/1"));
  await vi.waitFor(() => expect(seen.begun).toBe(1));
  const idle = dial(get("/"));
  await once(idle, "data");
  const fresh = dial();
  await once(fresh, "connect");
  const closed = once(idle, "close");
  const newcomer = dial(get("/"));
  expect(String(await once(newcomer, "data"))).toContain("here");
  await closed;
  expect([busy.closed, fresh.closed]).toEqual([false, false]);
});

test("where all have something running, a newcomer is told to come again", async () => {
  const { app, seen, releases } = heldApp();
  await serve(app, { most: 1 });
  const busy = dial(get("/held/1"));
  await vi.waitFor(() => expect(seen.begun).toBe(1));
  expect(await answerTo(dial(get("/")))).toMatch(/^HTTP\/1\.1 503 [\s\S]*\r\nretry-after: 1\r\n/);
  releases[0]?.();
  expect(String(await once(busy, "data"))).toContain("<1>");
});

test("requests that were pipelined are worked on a few at a time, all of them and in order", async () => {
  const { app, seen, releases } = heldApp();
  await serve(app, { atOnce: 2 });
  const socket = dial(Array.from({ length: 50 }, (_, n) => get(`/held/${n}`)).join(""));
  let text = "";
  socket.on("data", (chunk) => {
    text += chunk;
  });
  for (let n = 0; n < 50; n++) {
    await vi.waitFor(() => expect(releases.length).toBeGreaterThan(n));
    releases[n]?.();
  }
  await vi.waitFor(() => expect(text).toContain("<49>"));
  expect(text.match(/<\d+>/g)).toEqual(Array.from({ length: 50 }, (_, n) => `<${n}>`));
  expect(seen.most).toBe(2);
});

test.each([
  ["for too long", { unreadMs: 0, unreadBytesASecond: Number.POSITIVE_INFINITY }],
  ["beyond what all may hold", { unreadBytes: 1024 * 1024 }],
])("an answer that lies unread %s is dropped with its connection", async (_, limits) => {
  const { app, seen } = heldApp();
  await serve(app, limits);
  const socket = dial(get("/large"));
  socket.pause();
  await vi.waitFor(() => expect(seen.closed).toBe(true), { timeout: 10_000 });
  // What the kernel holds comes when it is read; the rest never does.
  const left = answerTo(socket);
  socket.resume();
  expect((await left).length).toBeLessThan(16 * 1024 * 1024);
});
