// Covers src/http/{admission,webhook-shortcut}.ts

import { once } from "node:events";
import { request } from "node:http";
import { type Logger, pino } from "pino";
import { Webhook } from "svix";
import { afterEach, expect, test } from "vitest";
import type { Authenticate } from "../../src/auth/keys.js";
import { type Listening, listen } from "../../src/http/server.js";
import { createShortcut, inTurn } from "../../src/http/shortcut.js";
import { createWebhookShortcut } from "../../src/http/webhook-shortcut.js";
import { sleep } from "../../src/lib/async.js";
import { AppError } from "../../src/lib/errors.js";
import type { UserQueries } from "../../src/query/users.js";
import {
  MIRROR_KEY,
  type Overrides,
  principalWith,
  SECRET_KEY,
  standInApp,
  WEBHOOK_SECRET,
} from "./stand-ins.js";

const LOOPBACK = { host: "127.0.0.1", port: 0 };
const servers: Listening[] = [];

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.drain(1000)));
});

/** The same app with and without its shortcut, and what each of them logs. */
async function both(overrides: Overrides = {}, reads: Partial<UserQueries> = {}) {
  const logs: Record<string, unknown>[][] = [[], []];
  const loggers = logs.map(
    (lines): Logger => pino({ base: null }, { write: (line: string) => void lines.push(JSON.parse(line)) }),
  );
  const sides = loggers.map((log) => {
    const { parts } = standInApp();
    const users = { ...parts.users, users: { ...parts.users.users, ...reads } };
    return standInApp({ users, ...overrides, log });
  });
  const [plain, short] = sides as [(typeof sides)[0], (typeof sides)[0]];
  const { authenticate, observe, users, webhooks } = short.parts;
  let leftToApp = 0;
  const shortcut = inTurn(
    createWebhookShortcut({ observe, webhooks }),
    createShortcut({ ...users, observe, authenticate }),
  );
  servers.push(
    await listen(plain.app, LOOPBACK),
    await listen(short.app, LOOPBACK, (incoming, outgoing, otherwise) =>
      shortcut(incoming, outgoing, () => {
        leftToApp++;
        otherwise();
      }),
    ),
  );
  const [plainUrl, shortUrl] = servers.slice(-2).map(({ url }) => url) as [string, string];
  return { plainUrl, shortUrl, logs, leftToApp: () => leftToApp };
}

interface Answer {
  status: number | undefined;
  headers: Record<string, unknown>;
  body: string;
}

/** As it came, but for what differs from one answer to the next. */
function ask(
  url: string,
  path: string,
  headers: Record<string, string>,
  method = "GET",
  sent = "",
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request(`${url}${path}`, { headers, method }, async (response) => {
      let body = "";
      for await (const chunk of response) body += chunk;
      const { date, ...rest } = response.headers;
      const id = String(rest["x-request-id"]);
      expect(id).toMatch(headers["X-Request-Id"] === undefined ? /^[\da-f-]{36}$/ : /./);
      const timing = String(rest["server-timing"] ?? "").replace(/[\d.]+$/, "n");
      resolve({
        status: response.statusCode,
        headers: { ...rest, "x-request-id": id.replace(/^[\da-f-]{36}$/, "n"), "server-timing": timing },
        body: body.replaceAll(id, "n"),
      });
    });
    asked.on("error", reject).end(sent);
  });
}

const withoutChance = (lines: Record<string, unknown>[]) =>
  lines.map(({ time, ms, requestId, err, ...line }) => ({
    ...line,
    ...{ named: String(requestId).length, failed: err !== undefined },
  }));

const key = { Authorization: `Bearer ${SECRET_KEY}` };
const ready = { kind: "live", body: Buffer.from('{"id":"user_1","name":"Ünï"}'), etag: '"kept"' } as const;
const locked = { kind: "live", body: Buffer.from('{"id":"user_1"}'), etag: null } as const;
const away = async () => Promise.reject(new AppError("database_unavailable", "away"));
const slowly: Authenticate = async () => principalWith("users:read")();

test.each<[string, string, Record<string, string>, Overrides, Partial<UserQueries>]>([
  ["a user in Postgres", "/v1/users/user_1", key, {}, {}],
  ["a user in memory", "/v1/users/user_1", key, {}, { getFromMemory: () => ready }],
  ["a user under a running lockout", "/v1/users/user_1", key, {}, { get: async () => locked }],
  [
    "a key that hides private metadata",
    "/v1/users/user_1",
    key,
    { authenticate: principalWith("users:read") },
    {},
  ],
  ["a key that is looked up", "/v1/users/user_1", key, { authenticate: slowly }, {}],
  ["a request with an id", "/v1/users/user_1", { ...key, "X-Request-Id": "mine-1" }, {}, {}],
  ["an id that can't be taken", "/v1/users/user_1", { ...key, "X-Request-Id": "mine 1" }, {}, {}],
  ["a key with every scope", "/v1/users/user_1", { Authorization: `bearer ${MIRROR_KEY}` }, {}, {}],
])(
  "answers %s, byte for byte as the app does, and logs the same line",
  async (_what, path, headers, ...parts) => {
    const { plainUrl, shortUrl, logs, leftToApp } = await both(...parts);
    const expected = await ask(plainUrl, path, headers);
    expect(expected.status).toBe(200);
    expect(await ask(shortUrl, path, headers)).toEqual(expected);
    expect(leftToApp()).toBe(0);
    const [plainLine, shortLine] = logs.map(withoutChance);
    expect(shortLine).toEqual(plainLine);
  },
);

test.each<[string, string, Record<string, string>, Overrides, Partial<UserQueries>, string?]>([
  ["no key", "/v1/users/user_1", {}, {}, {}],
  ["an unknown key", "/v1/users/user_1", { Authorization: "Bearer um_nobody" }, {}, {}],
  ["a malformed header", "/v1/users/user_1", { Authorization: "Basic eA==" }, {}, {}],
  ["a key without the scope", "/v1/users/user_1", key, { authenticate: principalWith("proxy") }, {}],
  [
    "a looked-up key without the scope",
    "/v1/users/user_1",
    key,
    { authenticate: async () => principalWith("proxy")() },
    {},
  ],
  ["a key that can't be looked up", "/v1/users/user_1", key, { authenticate: away }, {}],
  ["a tombstone", "/v1/users/user_gone", key, {}, {}],
  ["nobody known", "/v1/users/user_unknown", key, {}, {}],
  ["Postgres away", "/v1/users/user_1", key, {}, { get: away }],
  ["an ETag that is known already", "/v1/users/user_1", { ...key, "If-None-Match": '"tag"' }, {}, {}],
  ["a read that Clerk must answer", "/v1/users/user_1", { ...key, "X-Mirror-Read": "upstream" }, {}, {}],
  ["a version to be reached", "/v1/users/user_1", { ...key, "X-Mirror-Min-Version": "1-0/1" }, {}, {}],
  ["the count", "/v1/users/count", key, {}, {}],
  ["a query behind the path", "/v1/users/user_1?x=1", key, {}, {}],
  ["an escaped path", "/v1/users/user%5F1", key, {}, {}],
  ["something below a user", "/v1/users/user_1/organization_memberships", key, {}, {}],
  ["a HEAD", "/v1/users/user_1", key, {}, {}, "HEAD"],
  ["a DELETE", "/v1/users/user_1", key, {}, {}, "DELETE"],
])("leaves %s to the app", async (_what, path, headers, overrides, reads, method) => {
  const { plainUrl, shortUrl, leftToApp } = await both(overrides, reads);
  const expected = await ask(plainUrl, path, headers, method);
  expect(await ask(shortUrl, path, headers, method)).toEqual(expected);
  expect(leftToApp()).toBe(1);
});

test("leaves a user whose write could not be applied yet to the app", async () => {
  const { parts } = standInApp();
  const users = { ...parts.users, unapplied: { concerns: () => true } };
  const { plainUrl, shortUrl, leftToApp } = await both({ users });
  expect(await ask(shortUrl, "/v1/users/user_1", key)).toEqual(await ask(plainUrl, "/v1/users/user_1", key));
  expect(leftToApp()).toBe(1);
});

test("answers each of many at once with its own user", async () => {
  const get: UserQueries["get"] = async (id) => ({
    kind: "live",
    body: Buffer.from(`"${id}"`),
    etag: `"${id}"`,
  });
  const { shortUrl } = await both({}, { get });
  const ids = Array.from({ length: 200 }, (_, n) => `user_${n}`);
  const answers = await Promise.all(ids.map((id) => ask(shortUrl, `/v1/users/${id}`, key)));
  expect(answers.map(({ body, headers }) => [body, headers.etag])).toEqual(
    ids.map((id) => [`"${id}"`, `"${id}"`]),
  );
});

test.each(["/v1/users/user_1", "/v1/users/user_gone", "/v1/users/count", "/v1/users/user_1?x=1"])(
  "counts %s once against its key, until it is answered",
  async (path) => {
    let [entered, left] = [0, 0];
    const limiter = { enter: () => void entered++, leave: () => void left++ };
    const authenticate = () => ({ ...principalWith("users:read")(), limiter });
    const { shortUrl } = await both({ authenticate });
    await ask(shortUrl, path, key);
    await expect.poll(() => [entered, left]).toEqual([1, 1]);
  },
);

test("a request beyond its key's limits is refused in Clerk's shape, whoever was to answer it", async () => {
  const enter = () => {
    throw new AppError("rate_limited", "Too many requests.", { retryAfterSeconds: 0.2 });
  };
  const authenticate = () => ({ ...principalWith("users:read")(), limiter: { enter, leave: () => {} } });
  const { shortUrl } = await both({ authenticate }, { getFromMemory: () => ready });
  for (const path of ["/v1/users/user_1", "/v1/users", "/mirror/status"]) {
    const { status, headers, body } = await ask(shortUrl, path, key);
    expect([status, headers["retry-after"], JSON.parse(body).errors[0].code]).toEqual([
      ...[429, "1"],
      "too_many_requests",
    ]);
  }
});

const EVENT = '{"type":"user.updated","data":{"id":"user_1","first_name":"Zoë"}}';

function signed(secret = WEBHOOK_SECRET, family = "svix"): Record<string, string> {
  const at = new Date();
  return {
    [`${family}-id`]: "msg_1",
    [`${family}-timestamp`]: String(Math.floor(at.getTime() / 1000)),
    [`${family}-signature`]: new Webhook(secret).sign("msg_1", at, EVENT),
  };
}

const receiving = (receive: () => Promise<{ status: "applied" | "duplicate"; version: string | null }>) => ({
  webhooks: { ingest: { receive } },
});

test.each<[string, Record<string, string>, Overrides]>([
  ["a webhook", signed(), {}],
  ["one that is signed by the other headers", signed(WEBHOOK_SECRET, "webhook"), {}],
  ["one with a length", { ...signed(), "Content-Length": String(Buffer.byteLength(EVENT)) }, {}],
  ["one with a request id", { ...signed(), "X-Request-Id": "mine-1" }, {}],
  ["one with a version", signed(), receiving(async () => ({ status: "applied", version: "1-0/1" }))],
  ["a repeated one", signed(), receiving(async () => ({ status: "duplicate", version: "1-0/1" }))],
])("takes %s as the app does, and logs the same line", async (_what, headers, overrides) => {
  const { plainUrl, shortUrl, logs, leftToApp } = await both(overrides);
  const expected = await ask(plainUrl, "/webhooks/clerk", headers, "POST", EVENT);
  expect(expected.status).toBe(200);
  expect(await ask(shortUrl, "/webhooks/clerk", headers, "POST", EVENT)).toEqual(expected);
  expect(leftToApp()).toBe(0);
  const [plainLine, shortLine] = logs.map(withoutChance);
  expect(shortLine).toEqual(plainLine);
});

const busy = receiving(() => Promise.reject(new AppError("database_unavailable", "busy")));
const broken = receiving(() => Promise.reject(new Error("a bug")));
const foreign = signed(`whsec_${Buffer.from("another").toString("base64")}`);

test.each<[string, Record<string, string>, Overrides, string?, string?]>([
  ["one that somebody else signed", foreign, {}],
  ["one that isn't signed", {}, {}],
  ["one that can't be committed", { ...signed(), "X-Request-Id": "mine-1" }, busy],
  ["one that a bug stops", signed(), broken],
  ["one that says that it is too large", { ...signed(), "Content-Length": String(2 ** 21) }, {}, "POST", ""],
  ["one while no secret is known", signed(), { webhooks: { secrets: [] } }],
  ["a GET", {}, {}, "GET", ""],
])("leaves to the app to refuse %s, and has the same line logged", async (_what, headers, ...rest) => {
  const [overrides, method = "POST", body = EVENT] = rest;
  const { plainUrl, shortUrl, logs, leftToApp } = await both(overrides);
  const expected = await ask(plainUrl, "/webhooks/clerk", headers, method, body);
  expect(expected.status).toBeGreaterThan(399);
  expect(await ask(shortUrl, "/webhooks/clerk", headers, method, body)).toEqual(expected);
  expect(leftToApp()).toBe(1);
  const [plainLines, shortLines] = logs.map(withoutChance);
  expect(shortLines).toEqual(plainLines);
});

test("a webhook that can't be committed is received once, counted once, and logged with the time that it took", async () => {
  const [received, rejected]: [string[], string[]] = [[], []];
  const { shortUrl, logs } = await both({
    webhooks: {
      ingest: {
        async receive({ messageId }) {
          received.push(messageId);
          await sleep(30);
          throw new AppError("database_unavailable", "busy");
        },
      },
      onRejected: (outcome) => void rejected.push(outcome),
    },
  });
  expect((await ask(shortUrl, "/webhooks/clerk", signed(), "POST", EVENT)).status).toBe(503);
  expect([received, rejected]).toEqual([["msg_1"], ["failed"]]);
  expect(logs[1]?.find(({ msg }) => msg === "request")?.ms).toBeGreaterThan(20);
});

test.for([["a b"], ["x.com:99999"], ["127.1:80"]])(
  "takes no webhook for the host %s, of which the server says that it can't be read",
  async ([host]) => {
    const receive = async () => Promise.reject(new Error("it was received"));
    const { shortUrl, leftToApp } = await both({ webhooks: { ingest: { receive } } });
    const asked = request(`${shortUrl}/webhooks/clerk`, {
      method: "POST",
      headers: { ...signed(), Host: host },
    });
    const [answer] = await once(asked.end(EVENT), "response");
    expect([answer.statusCode, await new Response(answer).json(), leftToApp()]).toEqual([
      ...[400, expect.objectContaining({ errors: [expect.objectContaining({ code: "bad_request" })] })],
      1,
    ]);
  },
);
