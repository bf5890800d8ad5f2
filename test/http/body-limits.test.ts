// Covers src/http/{middleware,raw-body}.ts

import { once } from "node:events";
import { Agent, type IncomingMessage, request } from "node:http";
import { Hono } from "hono";
import { expect, test } from "vitest";
import { answerErrors } from "../../src/http/errors.js";
import { limitBody, requestId } from "../../src/http/middleware.js";
import { createBytesInFlight, rawBody } from "../../src/http/raw-body.js";
import { type HttpEnv, respond } from "../../src/http/respond.js";
import { listen } from "../../src/http/server.js";
import { AppError } from "../../src/lib/errors.js";

const BYTES = 1024;
async function served() {
  const app = new Hono<HttpEnv>()
    .onError(answerErrors((failure) => (failure instanceof AppError ? failure : null)))
    .use(requestId)
    .post("/", limitBody(BYTES), async (c) => respond(c, JSON.stringify((await c.req.text()).length)))
    .post("/raw", async (c) => {
      const body = c.env.incoming as IncomingMessage;
      const source = { header: (name: string) => c.req.header(name), body };
      const limits = { maxBytes: BYTES, what: "this", held: createBytesInFlight(BYTES).open() };
      return respond(c, JSON.stringify((await rawBody(source, limits)).length));
    })
    .post("/forbidden", () => {
      throw new AppError("forbidden", "Nobody may do this.");
    });
  const server = await listen(app, { host: "127.0.0.1", port: 0 });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  async function post(body: string, headers: Record<string, string> = {}) {
    const asked = request(server.url, { method: "POST", agent, headers });
    asked.end(body);
    const [answer] = await once(asked, "response");
    answer.resume();
    await once(answer, "end");
    return {
      status: answer.statusCode,
      port: asked.socket?.localPort,
      connection: answer.headers.connection,
    };
  }
  /** A body that has begun, and whose rest never comes. */
  async function begin(path: string, headers: Record<string, string>) {
    const asked = request(`${server.url}${path}`, { method: "POST", agent, headers });
    asked.on("error", () => {}).write("x".repeat(BYTES + 1));
    const [answer] = await once(asked, "response");
    answer.resume();
    await once(answer, "close");
    return { status: answer.statusCode, connection: answer.headers.connection };
  }
  async function end() {
    agent.destroy();
    await server.drain(1000);
  }
  return { post, begin, end };
}

test("a body that says that it is too long is refused, and its connection serves on", async () => {
  const { post, end } = await served();
  const first = await post("x".repeat(BYTES));
  // More than a connection holds by itself.
  const body = "x".repeat(4_000_000);
  const refused = await post(body, { "content-length": String(body.length) });
  const next = await post("x");
  expect([first, refused, next].map(({ status }) => status)).toEqual([200, 413, 200]);
  expect(new Set([first, refused, next].map(({ port }) => port)).size).toBe(1);
  await end();
});

test("one that turns out to be too long is refused, and its connection is said to end", async () => {
  const { post, end } = await served();
  const refused = await post("x".repeat(BYTES + 1), { "transfer-encoding": "chunked" });
  expect([refused.status, refused.connection]).toEqual([413, "close"]);
  expect((await post("x")).status).toBe(200);
  await end();
});

test.each([
  ["/", { "content-length": "5000" }, 413],
  ["/", { "transfer-encoding": "chunked" }, 413],
  ["/raw", { "content-length": "5000" }, 413],
  ["/raw", { "transfer-encoding": "chunked" }, 413],
  ["/forbidden", { "content-length": "5000" }, 403],
  ["/forbidden", { "transfer-encoding": "chunked" }, 403],
])(
  "one of %s with %j whose rest doesn't come is refused, and its connection is said to end",
  async (path, headers, status) => {
    const { begin, end } = await served();
    expect(await begin(path, headers)).toEqual({ status, connection: "close" });
    await end();
  },
);
