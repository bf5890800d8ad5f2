import { once } from "node:events";
import { connect } from "node:net";
import { Hono } from "hono";
import { expect, test } from "vitest";
import type { HttpEnv } from "../../src/http/respond.js";
import { listen } from "../../src/http/server.js";
import { AppError } from "../../src/lib/errors.js";

const LOOPBACK = { host: "127.0.0.1", port: 0 };

function deferred() {
  let resolve = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

/** An app whose one route answers when the test lets it, and tells when it was reached. */
function slowApp() {
  const reached = deferred();
  const release = deferred();
  const app = new Hono<HttpEnv>().get("/", async (c) => {
    reached.resolve();
    await release.promise;
    return c.json({ done: true });
  });
  return { app, reached: reached.promise, release: release.resolve };
}

test("finishes what is running while it drains, and takes nothing new", async () => {
  const { app, reached, release } = slowApp();
  const server = await listen(app, LOOPBACK);
  const running = fetch(server.url);
  await reached;

  const drained = server.drain(60_000);
  await expect(fetch(server.url)).rejects.toThrow();
  release();
  const response = await running;
  expect(response.headers.get("connection")).toBe("close");
  expect(await response.json()).toEqual({ done: true });
  await drained;
});

test("does not wait for idle connections", async () => {
  const app = new Hono<HttpEnv>().get("/", (c) => c.json({}));
  const server = await listen(app, LOOPBACK);
  const socket = connect(server.port, LOOPBACK.host);
  socket.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await once(socket, "data");
  const closed = once(socket, "close");
  await server.drain(60_000);
  await closed;
});

test("cuts what still runs at the deadline", async () => {
  const { app, reached, release } = slowApp();
  const server = await listen(app, LOOPBACK);
  const running = expect(fetch(server.url)).rejects.toThrow();
  await reached;
  await server.drain(1);
  await running;
  release();
});

test("a second drain ends with the first", async () => {
  const server = await listen(new Hono<HttpEnv>(), LOOPBACK);
  await Promise.all([server.drain(1000), server.drain(1000)]);
});

test("names PORT when it is in use", async () => {
  const server = await listen(new Hono<HttpEnv>(), LOOPBACK);
  const second = listen(new Hono<HttpEnv>(), { ...LOOPBACK, port: server.port });
  await expect(second).rejects.toThrow(AppError);
  await expect(second).rejects.toMatchObject({
    code: "configuration",
    message: expect.stringContaining(`PORT ${server.port}`),
  });
  await server.drain(1000);
});

test("names HOST when it is no address of this machine", async () => {
  await expect(listen(new Hono<HttpEnv>(), { host: "192.0.2.1", port: 0 })).rejects.toMatchObject({
    code: "configuration",
    message: expect.stringContaining("HOST 192.0.2.1"),
  });
});

test("takes a request line of several filters with a hundred values each", async () => {
  const app = new Hono<HttpEnv>().get("/", (c) => c.json(c.req.queries("email_address")?.length));
  const server = await listen(app, LOOPBACK);
  const query = Array.from(
    { length: 600 },
    (_, index) => `email_address=${"a".repeat(50)}${index}@example.com`,
  );
  expect(await (await fetch(`${server.url}/?${query.join("&")}`)).json()).toBe(600);
  await server.drain(1000);
});

test("answers in Clerk's shape even what it can't read", async () => {
  const server = await listen(new Hono<HttpEnv>(), LOOPBACK);
  const socket = connect(server.port, LOOPBACK.host);
  socket.write("GET / HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n");
  let text = "";
  for await (const chunk of socket) text += chunk;
  expect(text).toMatch(/^HTTP\/1.1 400 /);
  expect(text).toMatch(/\r\ncontent-type: application\/json\r\n/i);
  expect(JSON.parse(text.slice(text.indexOf("{")))).toMatchObject({ errors: [{ code: "bad_request" }] });
  await server.drain(1000);
});
