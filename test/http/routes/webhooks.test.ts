// Covers src/http/webhook-receiver.ts

import { Webhook } from "svix";
import { expect, test } from "vitest";
import { AppError } from "../../../src/lib/errors.js";
import { type Overrides, standInApp, WEBHOOK_SECRET } from "../stand-ins.js";

const SECOND_SECRET = `whsec_${Buffer.from("the second signing secret").toString("base64")}`;
const EVENT = '{ "type":"user.updated",  "data": {"id":"user_1","first_name":"Zoë"} }';

interface Signed {
  body?: string;
  secret?: string;
  atMs?: number;
  family?: "svix" | "webhook";
}

function signed({ body = EVENT, secret = WEBHOOK_SECRET, atMs = Date.now(), family = "svix" }: Signed = {}) {
  const at = new Date(atMs);
  const headers: Record<string, string> = {
    [`${family}-id`]: "msg_1",
    [`${family}-timestamp`]: String(Math.floor(atMs / 1000)),
    [`${family}-signature`]: new Webhook(secret).sign("msg_1", at, body),
  };
  return { method: "POST", headers, body };
}

async function send(request: RequestInit, overrides: Overrides = {}) {
  const { app, asked } = standInApp(overrides);
  const response = await app.request("/webhooks/clerk", request);
  expect(response.headers.get("content-type")).toBe("application/json");
  return { status: response.status, body: await response.json(), asked, response };
}

const refused = (code: string) => ({ errors: [expect.objectContaining({ code })] });

test.each(["svix", "webhook"] as const)(
  "takes a message signed in %s-* headers, bytes as sent",
  async (family) => {
    const { status, body, asked } = await send(signed({ family }));
    expect([status, body]).toEqual([200, { status: "applied" }]);
    expect(asked).toEqual([["receive", "msg_1", EVENT]]);
  },
);

test("takes a message signed with either secret while one is rotated", async () => {
  const webhooks = {
    secrets: [WEBHOOK_SECRET, SECOND_SECRET],
    ingest: { receive: async () => ({ status: "duplicate" as const, version: null }) },
  };
  for (const secret of webhooks.secrets) {
    expect((await send(signed({ secret }), { webhooks })).body).toEqual({ status: "duplicate" });
  }
});

test("takes one good signature among several", async () => {
  const request = signed();
  const good = request.headers["svix-signature"];
  request.headers["svix-signature"] = `v1a,AAAA v1,AAAA ${good}`;
  expect((await send(request)).status).toBe(200);
});

test("hands on a signed body that isn't JSON: what becomes of it is decided further in", async () => {
  const { status, asked } = await send(signed({ body: "no json" }));
  expect(status).toBe(200);
  expect(asked).toEqual([["receive", "msg_1", "no json"]]);
});

test.each([299_000, -299_000])("takes a message whose clock is %d ms off", async (offMs) => {
  expect((await send(signed({ atMs: Date.now() + offMs }))).status).toBe(200);
});

const bad: [string, RequestInit][] = [
  ["another secret", signed({ secret: SECOND_SECRET })],
  ["a tampered body", { ...signed(), body: EVENT.replace("user_1", "user_2") }],
  ["the same JSON, spelled anew", { ...signed(), body: JSON.stringify(JSON.parse(EVENT)) }],
  ["an old timestamp", signed({ atMs: Date.now() - 400_000 })],
  ["a future timestamp", signed({ atMs: Date.now() + 400_000 })],
  ["a timestamp in milliseconds", signed({ atMs: Date.now() * 1000 })],
  ["no headers at all", { method: "POST", body: EVENT }],
  ...["svix-id", "svix-timestamp", "svix-signature"].map((name): [string, RequestInit] => [
    `no ${name}`,
    {
      ...signed(),
      headers: Object.fromEntries(Object.entries(signed().headers).filter(([key]) => key !== name)),
    },
  ]),
  [
    "a timestamp that is no number",
    { ...signed(), headers: { ...signed().headers, "svix-timestamp": "now" } },
  ],
  [
    "only signatures of other versions",
    { ...signed(), headers: { ...signed().headers, "svix-signature": "v1a,AAAA" } },
  ],
  [
    "another message id than the signed one",
    { ...signed(), headers: { ...signed().headers, "svix-id": "msg_2" } },
  ],
  ["an empty body", { ...signed(), body: "" }],
];

test.each(bad)("refuses %s with 400 and stores nothing", async (_, request) => {
  const { status, body, asked } = await send(request);
  expect(status).toBe(400);
  expect(body).toMatchObject(refused("request_body_invalid"));
  expect(asked).toEqual([]);
});

test("refuses more than 1 MiB with 413, with and without a declared length", async () => {
  const body = "x".repeat(1024 * 1024 + 1);
  const declared = await send({
    ...signed({ body }),
    headers: { ...signed({ body }).headers, "content-length": String(body.length) },
  });
  const chunked = await send({
    ...signed({ body }),
    body: new Blob([body]).stream(),
    duplex: "half",
  } as RequestInit);
  for (const { status, body, asked } of [declared, chunked]) {
    expect(status).toBe(413);
    expect(body).toMatchObject(refused("request_body_too_large"));
    expect(asked).toEqual([]);
  }
});

test("reads no body whose headers can't be good", async () => {
  let wasRead = false;
  const body = new ReadableStream(
    {
      pull(controller) {
        wasRead = true;
        controller.close();
      },
    },
    { highWaterMark: 0 },
  );
  const headers = { ...signed().headers, "svix-timestamp": `${Math.floor(Date.now() / 1000)}s` };
  const { status } = await send({ method: "POST", headers, body, duplex: "half" } as RequestInit);
  expect([status, wasRead]).toEqual([400, false]);
});

test("takes exactly 1 MiB", async () => {
  expect((await send(signed({ body: "x".repeat(1024 * 1024) }))).status).toBe(200);
});

test("answers 503 with Retry-After where no secret is configured", async () => {
  const webhooks = {
    secrets: [],
    ingest: { receive: async () => ({ status: "applied" as const, version: "1-0/1" }) },
  };
  const { status, body, response } = await send(signed(), { webhooks });
  expect(status).toBe(503);
  expect(body).toMatchObject(refused("service_unavailable"));
  expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
});

const troubles = ["CONNECTION_CLOSED", "CONNECT_TIMEOUT", "ECONNREFUSED", "57P01", "53100", "40P01", "40001"];
test.each(troubles)("answers 503 when the database fails with %s, so that it is sent again", async (code) => {
  const trouble = Object.assign(new Error("database"), { code });
  const webhooks = { secrets: [WEBHOOK_SECRET], ingest: { receive: () => Promise.reject(trouble) } };
  const { status, response } = await send(signed(), { webhooks });
  expect(status).toBe(503);
  expect(response.headers.get("retry-after")).toBe("1");
});

test("refuses another instance's webhook with 400", async () => {
  const receive = () => Promise.reject(new AppError("bad_request", "another instance"));
  const { status } = await send(signed(), { webhooks: { secrets: [WEBHOOK_SECRET], ingest: { receive } } });
  expect(status).toBe(400);
});

test("a browser that looks at the address learns that it takes POST", async () => {
  expect((await send({ method: "GET" })).status).toBe(405);
});
