// Covers src/http/{asker,raw-body}.ts

import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { connect } from "node:net";
import { Writable } from "node:stream";
import { afterEach, expect, test } from "vitest";
import { type Listening, listen } from "../../src/http/server.js";
import { createLogger } from "../../src/observability/logger.js";
import { answer, clerk, closeClerks } from "../upstream/stand-in-clerk.js";
import { MIRROR_KEY, standInApp } from "./stand-ins.js";

const servers: Listening[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.drain(1000)));
  await closeClerks();
});

/** A mirror of stand-ins before a real Clerk, as far as requests go, and what it logs. */
async function mirror(options: Parameters<typeof clerk>[0], ...handlers: Parameters<typeof answer>[]) {
  const lines: { msg: string; status?: number; level: number }[] = [];
  const stream = new Writable({
    write(chunk, _, done) {
      lines.push(
        ...String(chunk)
          .split("\n")
          .filter(Boolean)
          .map((line) => JSON.parse(line)),
      );
      done();
    },
  });
  const behind = await clerk({ timeoutMs: 60_000, ...options }, ...handlers.map((one) => answer(...one)));
  const { parts, asked } = standInApp();
  const { app } = standInApp({
    log: createLogger({ level: "trace", format: "json" }, stream as never),
    clerk: { ...parts.clerk, forward: behind.forward },
  });
  const server = await listen(app, { host: "127.0.0.1", port: 0 });
  servers.push(server);
  return {
    server,
    lines,
    asked,
    received: behind.received,
    logged: () => lines.flatMap(({ msg, status }) => (msg === "request" ? [status] : [])),
  };
}

/** A request as far as it goes, by a client that can leave. */
async function begin(server: Listening, head: string, body = "") {
  const socket = connect(server.port, "127.0.0.1");
  await once(socket, "connect");
  socket.write(`${head} HTTP/1.1\r\nHost: mirror\r\nAuthorization: Bearer ${MIRROR_KEY}\r\n${body}`);
  return socket;
}

const later = <T>() => {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((done) => {
    resolve = done;
  });
  return { promise, resolve };
};

const endOf = ({ socket }: IncomingMessage) =>
  new Promise<void>((resolve) => socket.once("close", () => resolve()));

test("a body that its caller breaks off ends the request to Clerk, and is a 400 in the log", async () => {
  const head = later<IncomingMessage>();
  const { server, lines, asked, logged, received } = await mirror({ onHead: head.resolve }, [200]);
  const socket = await begin(server, "POST /v1/users", 'Content-Length: 20\r\n\r\n{"first');
  const ended = endOf(await head.promise);
  socket.destroy();
  await ended;
  await expect.poll(logged).toEqual([400]);
  expect(lines.some(({ level }) => level >= 40)).toBe(false);
  expect([received, asked]).toEqual([[], []]);
});

test("a write whose caller leaves while Clerk works is applied all the same", async () => {
  const working = later<ServerResponse>();
  const head = later<IncomingMessage>();
  const { server, asked, logged } = await mirror({
    onHead: head.resolve,
    onWhole: (_, response) => working.resolve(response),
  });
  const socket = await begin(server, "POST /v1/users/user_1/ban", "\r\n");
  const response = await working.promise;
  const left = once(socket, "close");
  socket.destroy();
  await left;
  response.writeHead(200, { "content-type": "application/json" }).end("{}");
  await expect.poll(logged).toEqual([200]);
  expect(asked).toEqual([["apply", "user", 200]]);
});

test("a read whose caller leaves is ended at Clerk, and is no failure of anybody's", async () => {
  const head = later<IncomingMessage>();
  const { server, lines, logged } = await mirror({ onHead: head.resolve, onWhole: () => {} });
  const socket = await begin(server, "GET /v1/jwks", "\r\n");
  const ended = endOf(await head.promise);
  socket.destroy();
  await ended;
  await expect.poll(logged).toEqual([400]);
  expect(lines.some(({ level }) => level >= 40)).toBe(false);
});

test("what there is no room for is a 503 with Retry-After, and no doubt about anybody", async () => {
  const places = { all: 0, reads: 0, endpoint: 0 };
  const { server, asked, received } = await mirror({ places }, [200]);
  const response = await fetch(`${server.url}/v1/users/user_1`, {
    method: "PATCH",
    headers: { Authorization: `Bearer ${MIRROR_KEY}`, "Content-Type": "application/json" },
    body: "{}",
  });
  expect([response.status, response.headers.get("retry-after")]).toEqual([503, "1"]);
  expect(await response.json()).toMatchObject({ errors: [{ code: "service_unavailable" }] });
  expect([received, asked]).toEqual([[], []]);
});
