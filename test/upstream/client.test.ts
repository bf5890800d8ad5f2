// Covers src/upstream/users.ts, src/lib/async.ts

import { afterEach, describe, expect, test } from "vitest";
import { answer, clerk, closeClerks, cut, type Handler, request, silence } from "./stand-in-clerk.js";

afterEach(closeClerks);

/** A Clerk that answers by these handlers in turn, the last one from then on, and a client of it. */
const clerkAnswering = (...handlers: Handler[]) => clerk({}, ...handlers);

/** What goes up as it came. */
const SENT = {
  ...{
    accept: "application/json",
    "accept-language": "tr",
    "user-agent": "their app",
    "idempotency-key": "key_1",
  },
  ...{ "content-type": "application/json; charset=utf-8", "clerk-api-version": "2026-05-12" },
};

const bytes = (text: string) => new Response(text).body;

describe("a read of the mirror's own", () => {
  test.each([
    ["a 500", answer(500)],
    ["a cut connection", cut],
    ["no answer in time", silence],
    ["a 429 without a time", answer(429)],
  ])("is repeated after %s", async (_, trouble) => {
    const { upstream, received } = await clerkAnswering(trouble, answer(200, { fine: true }));
    const response = await upstream.get("/v1/users", [["limit", "1"]], { priority: "walk" });
    expect(JSON.parse(response.body.toString())).toEqual({ fine: true });
    expect(received.map(({ url }) => url)).toEqual(["/v1/users?limit=1", "/v1/users?limit=1"]);
  });

  test("tells when Clerk made the answer, by Clerk's clock", async () => {
    const { upstream } = await clerkAnswering(answer(200, {}, { date: "Sun, 06 Nov 1994 08:49:37 GMT" }));
    const { dateMs } = await upstream.get("/v1/users", [], { priority: "walk" });
    expect(dateMs).toBe(784_111_777_000);
  });

  test("waits as long as Retry-After says", async () => {
    const { upstream, received } = await clerkAnswering(answer(429, {}, { "retry-after": "1" }), answer(200));
    const begun = performance.now();
    await upstream.get("/v1/users", [], { priority: "walk" });
    expect(performance.now() - begun).toBeGreaterThanOrEqual(1000);
    expect(received).toHaveLength(2);
  });

  test.each([
    ["7", 7000],
    ["-5", 1000],
    [undefined, 1000],
  ])("that meets a 429 pauses the background (Retry-After: %s)", async (retryAfter, ms) => {
    const paused: number[] = [];
    const queue = { take: async () => {}, pause: (ms: number) => void paused.push(ms) };
    const headers = retryAfter === undefined ? undefined : { "retry-after": retryAfter };
    const { upstream } = await clerk({ queue }, answer(429, "<html>", headers));
    const asked = upstream.get("/v1/users/user_1", [], { priority: "read" });
    await expect(asked).rejects.toMatchObject({ code: "rate_limited" });
    expect(paused[0]).toBe(ms);
  });

  test("tells its caller to wait a day at most", async () => {
    const { upstream } = await clerkAnswering(answer(503, {}, { "retry-after": "99999999999999999999" }));
    const asked = upstream.get("/v1/users/user_1", [], { priority: "read" });
    await expect(asked).rejects.toMatchObject({ code: "upstream_unavailable", retryAfterSeconds: 86_400 });
  });

  test("is given up at once when a caller waits and Clerk asks for patience", async () => {
    const { upstream, received } = await clerkAnswering(answer(429, {}, { "retry-after": "7" }));
    const asked = upstream.get("/v1/users/user_1", [], { priority: "read" });
    await expect(asked).rejects.toMatchObject({ code: "rate_limited", retryAfterSeconds: 7 });
    expect(received).toHaveLength(1);
  });

  test.each([401, 403])("that is refused with %d says whose fault it is, once", async (status) => {
    const body = {
      errors: [{ code: "authorization_invalid", message: "no", long_message: "The key is wrong" }],
    };
    const { upstream, received } = await clerkAnswering(answer(status, body));
    await expect(upstream.get("/v1/users", [], { priority: "walk" })).rejects.toMatchObject({
      code: "upstream_rejected",
      message: expect.stringContaining("CLERK_SECRET_KEY"),
    });
    expect(received).toHaveLength(1);
  });

  test("ends when its signal does, and is no failure of Clerk's then", async () => {
    const { upstream } = await clerkAnswering(silence);
    const stopping = new AbortController();
    const asked = upstream.get("/v1/users", [], { priority: "walk", signal: stopping.signal });
    stopping.abort(new Error("stopped"));
    await expect(asked).rejects.toThrow("stopped");
  });
});

describe("a request that is sent on", () => {
  test("goes up with its method, path, query, body and type as they are, under our key", async () => {
    const { forward, received } = await clerkAnswering(answer(200));
    const headers = new Headers({ ...SENT, authorization: "Bearer um_caller" });
    await forward(request({ headers, body: bytes('{"first_name": "Zoë" }') }));
    const [sent] = received;
    expect([sent?.method, sent?.url, sent?.body]).toEqual([
      ...["POST", "/v1/users?a=%2B1&b=x+y", '{"first_name": "Zoë" }'],
    ]);
    expect(sent?.headers).toMatchObject({ ...SENT, authorization: "Bearer sk_test_ours" });
  });

  test("goes up without any header that Clerk's API doesn't read", async () => {
    const { forward, received } = await clerkAnswering(answer(200), answer(200));
    await forward(request({ headers: new Headers({ "user-agent": "their app" }) }));
    const without = received[0]?.headers;
    const dropped = {
      ...{ "x-http-method-override": "DELETE", "x-http-method": "DELETE", "x-method-override": "DELETE" },
      ...{ "x-original-url": "/v1/instance", "x-rewrite-url": "/v1/instance", "x-original-host": "evil" },
      ...{ "x-host": "evil", "x-forwarded-for": "10.0.0.1", "x-forwarded-prefix": "/v1", forwarded: "for=1" },
      ...{
        cookie: "secret=1",
        te: "trailers",
        origin: "https://evil",
        referer: "https://evil",
        range: "bytes=0-1",
      },
      ...{
        connection: "close, x-hop",
        "x-hop": "1",
        "if-none-match": '"1"',
        "x-custom": "1",
        "x-mirror-read": "upstream",
      },
      ...{
        "clerk-secret-key": "sk_test_other",
        "clerk-proxy-url": "https://evil",
        "x-clerk-auth-token": "1",
      },
      ...{
        host: "mirror.internal",
        "proxy-authorization": "Basic abc",
        "x-amz-date": "1",
        traceparent: "00-1-1-01",
      },
    };
    await forward(request({ headers: new Headers({ "user-agent": "their app", ...dropped }) }));
    expect(received[1]?.headers).toEqual(without);
  });

  test("loses even a header of the list that its connection names as its own", async () => {
    const { forward, received } = await clerkAnswering(answer(200));
    const headers = {
      connection: "idempotency-key",
      "idempotency-key": "1",
      "clerk-api-version": "2025-11-10",
    };
    await forward(request({ headers: new Headers(headers) }));
    expect(received[0]?.headers).not.toHaveProperty("idempotency-key");
    expect(received[0]?.headers["clerk-api-version"]).toBe("2025-11-10");
  });

  test.each([
    ["header", { headers: new Headers({ "Clerk-API-Version": "2024-10-01" }), search: "" }, "2024-10-01"],
    ["query", { headers: new Headers(), search: "?__clerk_api_version=2024-10-01" }, undefined],
    ["nothing", { headers: new Headers(), search: "" }, undefined],
  ])("keeps the version that its caller named by %s, and adds no other", async (_, overrides, version) => {
    const { forward, received } = await clerkAnswering(answer(200));
    await forward(request(overrides));
    expect(received[0]?.headers["clerk-api-version"]).toBe(version);
  });

  test("comes back with what concerns its caller, its type spelled as the SDK needs it", async () => {
    const { forward } = await clerkAnswering(
      answer(
        200,
        { fine: true },
        {
          ...{ "content-type": "application/json; charset=utf-8", "retry-after": "3", "cf-ray": "trace" },
          ...{
            "set-cookie": "a=1",
            "cache-control": "public, max-age=60",
            "x-mirror-source": "forged",
            connection: "x-hop",
            "x-hop": "1",
            etag: '"x"',
          },
        },
      ),
    );
    const { headers, status, body } = await forward(request());
    expect([status, body.toString()]).toEqual([200, '{"fine":true}']);
    expect(Object.fromEntries(headers)).toEqual({
      ...{ "content-type": "application/json", "retry-after": "3", "cf-ray": "trace" },
    });
  });

  test.each([
    ["a 500", answer(500)],
    ["a 429", answer(429, {}, { "retry-after": "0" })],
    ["a cut connection", cut],
    ["no answer in time", silence],
  ])("is sent exactly once, whatever comes back: %s", async (_, trouble) => {
    const { forward, received } = await clerkAnswering(trouble, answer(200));
    await forward(request()).catch((error) => expect(error.code).toMatch(/^upstream_/));
    expect(received).toHaveLength(1);
  });

  test("streams a body of many chunks through", async () => {
    const { forward, received } = await clerkAnswering(answer(200));
    const chunk = "x".repeat(64 * 1024);
    let left = 40;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (left-- === 0) controller.close();
        else controller.enqueue(Buffer.from(chunk));
      },
    });
    await forward(request({ body }));
    expect(received[0]?.body.length).toBe(40 * chunk.length);
    expect(received[0]?.headers["transfer-encoding"]).toBe("chunked");
  });

  test("is tried once more where no connection came about, for Clerk knows nothing of it then", async () => {
    const { forward, received, upstream, server } = await clerkAnswering(answer(200));
    server.close();
    await expect(forward(request())).rejects.toMatchObject({ code: "upstream_unavailable" });
    expect([received.length, upstream.requests]).toEqual([0, 2]);
  });

  test.each(["POST", "PATCH", "GET"])(
    "slows nobody else when Clerk's limit is reached: %s",
    async (method) => {
      const paused: number[] = [];
      const queue = { take: async () => {}, pause: (ms: number) => void paused.push(ms) };
      const { forward } = await clerk({ queue }, answer(429, {}, { "retry-after": "3600" }));
      const { status, headers } = await forward(request({ method, path: "/v1/invitations" }));
      expect([status, headers.get("retry-after"), paused]).toEqual([429, "3600", []]);
    },
  );
});
