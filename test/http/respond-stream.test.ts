import { getEventListeners, once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { Hono } from "hono";
import { afterEach, expect, test, vi } from "vitest";
import { type Principal, unknownKey } from "../../src/auth/keys.js";
import { answerErrors } from "../../src/http/errors.js";
import { requestId } from "../../src/http/middleware.js";
import { type FinishedRequest, observeRequests } from "../../src/http/request-observer.js";
import type { HttpEnv } from "../../src/http/respond.js";
import { type Chunks, respondStream, type StreamOptions } from "../../src/http/respond-stream.js";
import { type Listening, type ListenOptions, listen } from "../../src/http/server.js";
import { AppError } from "../../src/lib/errors.js";

const servers: Listening[] = [];
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await Promise.all(servers.splice(0).map((server) => server.drain(1000)));
});

const NDJSON = { "content-type": "application/x-ndjson" };
const LARGE = Buffer.alloc(64 * 1024, "x");

/** An app that answers `/stream` with these chunks, and `/` at once; what its observer and its failure report were told. */
function streaming(chunks: Chunks, options?: StreamOptions, verifyAgain?: () => Promise<Principal>) {
  const seen: FinishedRequest[] = [];
  const failures: unknown[] = [];
  const report = (failure: unknown) => {
    failures.push(failure);
    return failure instanceof AppError ? failure : null;
  };
  const app = new Hono<HttpEnv>()
    .onError(answerErrors(report))
    .use(requestId)
    .use(observeRequests((request) => void seen.push(request), report))
    .use((c, next) => {
      if (verifyAgain) {
        c.set("principal", { id: "key_1", name: "a stored key", scopes: new Set() });
        c.set("verifyAgain", verifyAgain);
      }
      return next();
    })
    .get("/stream", (c) => respondStream(c, chunks, NDJSON, options))
    .get("/", (c) => c.text("here"));
  return { app, seen, failures };
}

async function serve(
  chunks: Chunks,
  limits: ListenOptions["limits"] = {},
  options?: StreamOptions,
  verifyAgain?: () => Promise<Principal>,
) {
  const { app, seen, failures } = streaming(chunks, options, verifyAgain);
  const server = await listen(app, { host: "127.0.0.1", port: 0, limits });
  servers.push(server);
  return { server, seen, failures };
}

/** A client that has asked, and reads nothing until it is let. */
function ask({ port }: Listening, line = "GET /stream HTTP/1.1"): Socket {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  sockets.push(socket);
  socket.pause();
  socket.write(`${line}\r\nHost: mirror\r\n\r\n`);
  return socket;
}

/** Large chunks without end, how many there were, and whether their maker was told to stop and tidied up. */
function endless() {
  const made = { chunks: 0, stopped: false, tidied: false };
  const chunks: Chunks = async function* (signal) {
    signal.addEventListener("abort", () => {
      made.stopped = true;
    });
    try {
      for (; made.chunks < 10_000; made.chunks++) yield LARGE;
    } finally {
      made.tidied = true;
    }
  };
  return { made, chunks };
}

async function* lines() {
  yield Buffer.from("1\n");
  yield Buffer.from("2\n");
}

test("sends every chunk in order, is observed at its end, and leaves the connection to the next request", async () => {
  const { server, seen } = await serve(lines);
  const socket = ask(server);
  socket.write("GET / HTTP/1.1\r\nHost: mirror\r\nConnection: close\r\n\r\n");
  let text = "";
  socket.on("data", (chunk) => {
    text += chunk;
  });
  socket.resume();
  await once(socket, "close");
  expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*content-type: application\/x-ndjson\r\n/);
  expect(text).toMatch(/\r\n2\r\n1\n\r\n2\r\n2\n\r\n0\r\n\r\nHTTP\/1\.1 200 OK\r\n[\s\S]*here$/);
  const [first] = seen.filter(({ template }) => template === "/stream");
  expect(first).toMatchObject({ status: 200, isCut: false });
});

test("the first chunk arrives before the second is made", async () => {
  let readFirst = () => {};
  const wasRead = new Promise<void>((resolve) => {
    readFirst = resolve;
  });
  const { server, seen } = await serve(async function* () {
    yield Buffer.from("1\n");
    await wasRead;
    yield Buffer.from("2\n");
  });
  const reader = (await fetch(`${server.url}/stream`)).body?.getReader();
  expect(String(Buffer.from((await reader?.read())?.value ?? []))).toBe("1\n");
  expect(seen).toEqual([]);
  readFirst();
  expect(String(Buffer.from((await reader?.read())?.value ?? []))).toBe("2\n");
  expect((await reader?.read())?.done).toBe(true);
  await expect.poll(() => seen.length).toBe(1);
});

test("makes no chunk for a client that doesn't read, and goes on when it does", async () => {
  const { made, chunks } = endless();
  const { server } = await serve(chunks);
  const socket = ask(server);
  await vi.waitFor(() => expect(made.chunks).toBeGreaterThan(0));
  for (let before = -1; before !== made.chunks; await sleep(50)) before = made.chunks;
  const whileUnread = made.chunks;
  expect(whileUnread).toBeLessThan(1000);
  socket.resume();
  await vi.waitFor(() => expect(made.chunks).toBeGreaterThan(whileUnread + 100));
});

test("a client that goes away while it isn't reading ends the stream", async () => {
  const { made, chunks } = endless();
  const { server, seen, failures } = await serve(chunks);
  const socket = ask(server);
  await vi.waitFor(() => expect(made.chunks).toBeGreaterThan(0));
  socket.destroy();
  await vi.waitFor(() => expect(made).toMatchObject({ stopped: true, tidied: true }));
  await expect.poll(() => seen).toMatchObject([{ template: "/stream", status: 200, isCut: true }]);
  expect(failures).toEqual([]);
});

test.each([0, 1])("a client that goes away while chunk %i is waited for ends the stream", async (before) => {
  let isWaiting = false;
  let isTidied = false;
  const { server, seen } = await serve(async function* (signal) {
    try {
      for (let n = 0; n < before; n++) yield Buffer.from("x");
      isWaiting = true;
      await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    } finally {
      isTidied = true;
    }
  });
  const socket = ask(server);
  await vi.waitFor(() => expect(isWaiting).toBe(true));
  socket.destroy();
  await vi.waitFor(() => expect(isTidied).toBe(true));
  await expect.poll(() => seen.length).toBe(1);
});

test("a client that reads nothing for too long is cut off, which ends the stream", async () => {
  const { made, chunks } = endless();
  const limits = { unreadMs: 0, unreadBytesASecond: Number.POSITIVE_INFINITY, sweepMs: 20 };
  const { server } = await serve(chunks, limits);
  ask(server);
  await vi.waitFor(() => expect(made).toMatchObject({ stopped: true, tidied: true }), { timeout: 5000 });
});

test("a client that takes too long for a chunk is cut off, though it reads a little all the time", async () => {
  const { made, chunks } = endless();
  const { server } = await serve(chunks, {}, { chunkMs: 200 });
  const socket = ask(server);
  const trickle = setInterval(() => socket.read(1), 10);
  await vi.waitFor(() => expect(made).toMatchObject({ stopped: true, tidied: true }), { timeout: 5000 });
  clearInterval(trickle);
  socket.resume();
  await once(socket, "close");
});

test("a client that takes its chunks in time isn't, however long all of them take", async () => {
  const { server, seen } = await serve(
    async function* () {
      for (let n = 0; n < 8; n++) {
        yield Buffer.from(`${n}\n`);
        await sleep(100);
      }
    },
    {},
    { chunkMs: 400 },
  );
  const answer = await fetch(`${server.url}/stream`);
  expect(await answer.text()).toBe("0\n1\n2\n3\n4\n5\n6\n7\n");
  await sleep(500);
  expect(seen).toMatchObject([{ isCut: false }]);
});

test("a client that reads slower than chunks are made, but reads, isn't cut off", async () => {
  const { made, chunks } = endless();
  const limits = { unreadMs: 1500, unreadBytesASecond: Number.POSITIVE_INFINITY, sweepMs: 10 };
  const { server } = await serve(chunks, limits);
  const socket = ask(server);
  const until = performance.now() + 3500;
  while (performance.now() < until) {
    socket.read();
    await sleep(1);
  }
  expect([made.stopped, socket.closed]).toEqual([false, false]);
});

test.each(["HTTP/1.1", "HTTP/1.0"])(
  "what fails in mid-stream cuts the connection of %s, and says nothing of it",
  async (protocol) => {
    let fail: (error: Error) => void = () => {};
    const { server, seen, failures } = await serve(async function* () {
      yield Buffer.from("1\n");
      await new Promise((_, reject) => {
        fail = reject;
      });
    });
    const socket = ask(server, `GET /stream ${protocol}`);
    let text = "";
    let isEnded = false;
    socket.on("end", () => {
      isEnded = true;
    });
    socket.on("data", (chunk) => {
      text += chunk;
    });
    socket.resume();
    await vi.waitFor(() => expect(text).toContain("1\n"));
    const failed = once(socket, "error");
    const bug = new Error("confidential");
    await vi.waitFor(() => {
      fail(bug);
      expect(failures).toEqual([bug]);
    });
    expect(String(await failed)).toContain("ECONNRESET");
    expect(isEnded).toBe(false);
    expect(text).not.toMatch(/confidential|\r\n0\r\n/);
    expect(seen).toMatchObject([{ status: 200, isCut: true }]);
  },
);

test("a client whose key is revoked is cut off within a second, also where nothing happens; one whose key nobody can verify isn't", async () => {
  const verified = vi.fn<() => Promise<Principal>>();
  verified.mockResolvedValueOnce({ id: "key_1", name: "a stored key", scopes: new Set() });
  verified.mockRejectedValueOnce(new AppError("database_unavailable", "away"));
  verified.mockRejectedValue(unknownKey());
  let isTidied = false;
  const { server, seen } = await serve(
    async function* (signal) {
      try {
        yield Buffer.from("1\n");
        await once(signal, "abort");
      } finally {
        isTidied = true;
      }
    },
    {},
    {},
    verified,
  );
  const answer = await fetch(`${server.url}/stream`);
  await expect(answer.text()).rejects.toThrow("terminated");
  expect(verified).toHaveBeenCalledTimes(3);
  await vi.waitFor(() => expect(isTidied).toBe(true));
  expect(seen).toMatchObject([{ status: 200, isCut: true }]);
});

test("what fails before the first chunk is answered as a failure", async () => {
  const { server, seen } = await serve(() => {
    throw new AppError("database_unavailable", "away");
  });
  const response = await fetch(`${server.url}/stream`);
  expect([response.status, response.headers.get("content-type")]).toEqual([503, "application/json"]);
  expect(await response.json()).toMatchObject({ errors: [{ code: "service_unavailable" }] });
  expect(seen).toMatchObject([{ status: 503, isCut: false }]);
});

test("a question of the mirror's own ends when its asker leaves, and keeps nothing of them when it is whole or fails", async () => {
  const { made, chunks } = endless();
  const leaving = new AbortController();
  const answer = await streaming(chunks).app.request("/stream", {}, { leaving: leaving.signal });
  const read = answer.arrayBuffer();
  leaving.abort();
  await expect(read).rejects.toThrow("went away");
  await vi.waitFor(() => expect(made).toMatchObject({ stopped: true, tidied: true }));

  const { signal } = new AbortController();
  async function* whole() {
    yield Buffer.from("1\n");
  }
  const other = await streaming(whole).app.request("/stream", {}, { leaving: signal });
  expect(await other.text()).toBe("1\n");
  const failing = () => (async function* () {})().throw(new AppError("database_unavailable", "away"));
  const failed = () => ({ [Symbol.asyncIterator]: () => ({ next: failing }) });
  const third = await streaming(failed as Chunks).app.request("/stream", {}, { leaving: signal });
  expect(third.status).toBe(503);
  expect(getEventListeners(signal, "abort")).toEqual([]);
});

test("a HEAD makes no chunk", async () => {
  const { made, chunks } = endless();
  const { server, seen } = await serve(chunks);
  const response = await fetch(`${server.url}/stream`, { method: "HEAD" });
  expect([response.status, response.headers.get("content-type")]).toEqual([200, "application/x-ndjson"]);
  expect(made).toEqual({ chunks: 0, stopped: false, tidied: false });
  await expect.poll(() => seen.length).toBe(1);
});

test("a reader within the process that takes too long for a chunk gets an error, instead of waiting for ever", async () => {
  const { app } = streaming(endless().chunks, { chunkMs: 20 });
  const body = (await app.request("/stream")).body?.getReader();
  await body?.read();
  await sleep(100);
  await expect(body?.read()).rejects.toThrow();
});

test("an app without a server streams too, and ends when its reader does", async () => {
  expect(await (await streaming(lines).app.request("/stream")).text()).toBe("1\n2\n");
  const { made, chunks } = endless();
  const response = await streaming(chunks).app.request("/stream");
  await response.body?.cancel();
  await vi.waitFor(() => expect(made).toMatchObject({ stopped: true, tidied: true }));
});
