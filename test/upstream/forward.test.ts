import type { IncomingMessage } from "node:http";
import { setTimeout } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import type { AppError } from "../../src/lib/errors.js";
import { answer, clerk, closeClerks, request, silence } from "./stand-in-clerk.js";

afterEach(closeClerks);

/** A body that begins, and then goes on as the test says. */
function begunBody() {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const body = new ReadableStream<Uint8Array>({
    start(given) {
      controller = given;
      given.enqueue(Buffer.from("{"));
    },
  });
  return { body, breakOff: () => controller?.error(new Error("aborted")), end: () => controller?.close() };
}

/** When the request's head is there: what becomes of its connection. */
function firstRequest() {
  let arrived: (request: IncomingMessage) => void = () => {};
  const head = new Promise<IncomingMessage>((resolve) => {
    arrived = resolve;
  });
  return { head, onHead: (request: IncomingMessage) => arrived(request) };
}

/** Not `events.once`: half a request is an error to the server that gets it. */
const closing = ({ socket }: IncomingMessage) =>
  new Promise<void>((resolve) => socket.once("close", () => resolve()));

describe("a body on its way to Clerk", () => {
  test("that breaks off is its caller's fault, and Clerk never gets the request whole", async () => {
    const { head, onHead } = firstRequest();
    const { forward, received } = await clerk({ timeoutMs: 60_000, onHead }, answer(200));
    const { body, breakOff } = begunBody();
    const sent = forward(request({ body }));
    const closed = closing(await head);
    breakOff();
    await expect(sent).rejects.toMatchObject({ code: "bad_request" });
    await closed;
    expect(received).toEqual([]);
  });

  test("that never ends is its caller's fault too, once the time for the request is over", async () => {
    const { head, onHead } = firstRequest();
    const { forward, received } = await clerk({ onHead }, answer(200));
    const sent = forward(request({ body: begunBody().body }));
    const closed = head.then(closing);
    await expect(sent).rejects.toMatchObject({ code: "bad_request" });
    await closed;
    expect(received).toEqual([]);
  });

  test("that arrived whole is not to blame for a Clerk that says nothing", async () => {
    const { forward, received } = await clerk({}, silence);
    const { body, end } = begunBody();
    end();
    await expect(forward(request({ body }))).rejects.toMatchObject({ code: "upstream_timeout" });
    expect(received).toHaveLength(1);
  });

  test("is not to blame for a Clerk that takes none of it", async () => {
    const { forward } = await clerk({ takesBodies: false });
    const chunk = Buffer.alloc(1024 * 1024);
    let left = 100;
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => (left-- > 0 ? controller.enqueue(chunk) : controller.close()),
    });
    await expect(forward(request({ body }))).rejects.toMatchObject({ code: "upstream_timeout" });
  });

  test("is not to blame for a Clerk that cuts the connection meanwhile", async () => {
    const { head, onHead } = firstRequest();
    const { forward } = await clerk({ timeoutMs: 60_000, onHead });
    const sent = forward(request({ body: begunBody().body }));
    const refused = expect(sent).rejects.toMatchObject({ code: "upstream_unavailable" });
    (await head).socket.destroy();
    await refused;
  });

  test("is not to blame for a Clerk that can't be reached", async () => {
    const { forward, server } = await clerk({});
    server.close();
    await expect(forward(request({ body: begunBody().body }))).rejects.toMatchObject({
      code: "upstream_unavailable",
    });
  });
});

describe("an answer of Clerk's", () => {
  test.each(["forwarded", "own"])("that begins and never ends is given up in time (%s)", async (kind) => {
    const { forward, upstream } = await clerk({}, async (_, response) => {
      response.writeHead(200, { "content-type": "application/json" });
      for (; !response.destroyed; await setTimeout(20)) response.write(" ");
    });
    const asked = kind === "own" ? upstream.get("/v1/users", [], { priority: "read" }) : forward(request());
    await expect(asked).rejects.toMatchObject({ code: "upstream_timeout" });
  });

  test.each(["forwarded", "own"])(
    "that has no bounds is given up before it fills the memory (%s)",
    async (kind) => {
      let sentBytes = 0;
      const { forward, upstream } = await clerk({ timeoutMs: 60_000 }, (_, response) => {
        response.writeHead(200, { "content-type": "application/json" });
        const chunk = Buffer.alloc(1024 * 1024, " ");
        const fill = () => {
          do sentBytes += chunk.length;
          while (!response.destroyed && response.write(chunk));
        };
        response.on("drain", fill);
        fill();
      });
      const asked = kind === "own" ? upstream.get("/v1/users", [], { priority: "read" }) : forward(request());
      await expect(asked).rejects.toMatchObject({
        code: "upstream_unavailable",
        message: expect.stringContaining("too large"),
      });
      expect(sentBytes).toBeLessThan(3 * 64 * 1024 * 1024);
    },
  );

  test.each([
    "http://127.0.0.1:1/v1/users",
    "//127.0.0.1:1/v1",
    "/\\127.0.0.1:1/v1",
    "/\t/127.0.0.1:1",
    "users",
  ])("that leads elsewhere (%s) takes neither our key there nor its caller's", async (location) => {
    const elsewhere = { "content-location": location, refresh: `0; url=${location}` };
    const { forward, received } = await clerk({}, answer(307, {}, { location, ...elsewhere }));
    const { status, headers } = await forward(request());
    expect([status, ...["location", "content-location", "refresh"].map((name) => headers.get(name))]).toEqual(
      [307, null, null, null],
    );
    expect(received).toHaveLength(1);
  });

  test("that leads to another path is its caller's to follow, here", async () => {
    const location = "/v1/users/user_1?a=%2B1";
    const { forward, received } = await clerk({}, answer(308, {}, { location }));
    const { status, headers } = await forward(request());
    expect([status, headers.get("location"), received.length]).toEqual([308, location, 1]);
  });

  test("that leads elsewhere says of a read of our own that the address is wrong, once", async () => {
    const { upstream, received } = await clerk({}, answer(301, {}, { location: "https://api.clerk.com/v1" }));
    await expect(upstream.get("/v1/users", [], { priority: "walk" })).rejects.toMatchObject({
      code: "upstream_rejected",
      message: expect.stringContaining("CLERK_API_URL"),
    });
    expect(received).toHaveLength(1);
  });
});

test("a read that nobody waits for any more is ended at Clerk too", async () => {
  const { head, onHead } = firstRequest();
  const { forward } = await clerk({ timeoutMs: 60_000, onHead }, silence);
  const leaving = new AbortController();
  const asked = forward(request({ method: "GET", signal: leaving.signal }));
  const closed = closing(await head);
  leaving.abort();
  await expect(asked).rejects.toThrow();
  await closed;
});

describe("requests under way to Clerk", () => {
  const places = { all: 4, reads: 3, endpoint: 2 };

  async function hanging() {
    const open: (() => void)[] = [];
    const clerkThatHangs = await clerk({ timeoutMs: 60_000, places }, (_, response) => {
      open.push(() => response.writeHead(200, { "content-type": "application/json" }).end("{}"));
    });
    const under = (count: number) => expect.poll(() => open.length).toBe(count);
    return { ...clerkThatHangs, under, finish: () => open.splice(0).forEach((end) => void end()) };
  }

  const send = (method: string, path: string) => request({ method, path, search: "" });
  const shed = { code: "overloaded" };

  test("of one endpoint leave room for the others, however long Clerk takes for it", async () => {
    const { forward, under, finish } = await hanging();
    const slow = ["user_1", "user_2"].map((id) => forward(send("PATCH", `/v1/users/${id}`)));
    await under(2);
    await expect(forward(send("PATCH", "/v1/users/user_3"))).rejects.toMatchObject(shed);
    const others = [forward(send("POST", "/v1/users")), forward(send("DELETE", "/v1/users/user_3"))];
    await under(4);
    await expect(forward(send("POST", "/v1/invitations"))).rejects.toMatchObject(shed);
    finish();
    for (const { status } of await Promise.all([...slow, ...others])) expect(status).toBe(200);
    const again = forward(send("PATCH", "/v1/users/user_3"));
    await under(1);
    finish();
    expect((await again).status).toBe(200);
  });

  test("that are reads leave room for writes", async () => {
    const { forward, under, finish } = await hanging();
    const reads = ["/v1/jwks", "/v1/clients", "/v1/sessions"].map((path) => forward(send("GET", path)));
    await under(3);
    await expect(forward(send("GET", "/v1/instance"))).rejects.toMatchObject(shed);
    const write = forward(send("POST", "/v1/users"));
    await under(4);
    finish();
    await Promise.all([...reads, write]);
  });

  test("give their places back when they fail", async () => {
    const { forward } = await clerk({ timeoutMs: 50, places }, silence);
    for (let round = 0; round < 3; round++) {
      const failures = [1, 2].map(() => forward(request()).catch((error: AppError) => error.code));
      expect(await Promise.all(failures)).toEqual(["upstream_timeout", "upstream_timeout"]);
    }
  });
});
