// Covers src/http/webhook-receiver.ts, src/http/end-of-turn.ts

import { connect } from "node:net";
import { type Logger, pino } from "pino";
import { Webhook } from "svix";
import { afterEach, expect, test } from "vitest";
import { type Listening, listen } from "../../src/http/server.js";
import type { WebhookDeps } from "../../src/http/webhook-receiver.js";
import { createWebhookShortcut } from "../../src/http/webhook-shortcut.js";
import { AppError } from "../../src/lib/errors.js";
import { standInApp, WEBHOOK_SECRET } from "./stand-ins.js";

const LOOPBACK = { host: "127.0.0.1", port: 0 };
const EVENT = '{ "type":"user.updated",  "data": {"id":"user_1","first_name":"Zoë"} }';
const servers: Listening[] = [];

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.drain(1000)));
});

interface Side {
  port: number;
  lines: Record<string, unknown>[];
  asked: unknown[];
  leftToApp(): number;
}

/** The app with or without the shortcut before it. */
async function serve(isShort: boolean, webhooks: Partial<WebhookDeps>): Promise<Side> {
  const lines: Side["lines"] = [];
  const log: Logger = pino({ base: null }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const { app, parts, asked } = standInApp({ log, webhooks });
  const shortcut = createWebhookShortcut(parts);
  let leftToApp = 0;
  const server = await listen(app, LOOPBACK, (incoming, outgoing, otherwise) => {
    if (!isShort) return otherwise();
    shortcut(incoming, outgoing, (begun) => {
      leftToApp++;
      otherwise(begun);
    });
  });
  servers.push(server);
  return { port: server.port, lines, asked, leftToApp: () => leftToApp };
}

interface Sent {
  path?: string;
  method?: string;
  version?: string;
  headers?: Record<string, string | undefined>;
  body?: string;
  /** As it goes over the wire, with the headers that this takes; otherwise the body whole, with its length. */
  framed?: { headers: Record<string, string>; pieces: readonly string[] };
  /** Whether the client ends its side behind it. */
  ends?: boolean;
}

/** The head and body of a signed webhook, as pieces that are written one by one. */
function pieces(sent: Sent): string[] {
  const { path = "/webhooks/clerk", method = "POST", version = "1.1", body = EVENT, framed } = sent;
  const at = new Date();
  const headers = {
    host: "localhost",
    "svix-id": "msg_1",
    "svix-timestamp": String(Math.floor(at.getTime() / 1000)),
    "svix-signature": new Webhook(WEBHOOK_SECRET).sign("msg_1", at, body),
    "x-request-id": "mine-1",
    ...(framed ? framed.headers : { "content-length": String(Buffer.byteLength(body)) }),
    ...sent.headers,
  };
  const lines = Object.entries(headers).flatMap(([name, value]) =>
    value === undefined ? [] : value.split("\n").map((one) => `${name}: ${one}\r\n`),
  );
  return [`${method} ${path} HTTP/${version}\r\n${lines.join("")}\r\n`, ...(framed?.pieces ?? [body])];
}

/** Everything that the server sends until it closes, in a form that doesn't change from one answer to the next. */
async function exchange({ port }: Side, sent: Sent): Promise<string> {
  const socket = connect(port, "127.0.0.1").on("error", () => {});
  for (const piece of pieces(sent)) {
    socket.write(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
  if (sent.ends) socket.end();
  let text = "";
  for await (const chunk of socket) {
    text += chunk;
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(text)?.[1] ?? Number.NaN);
    if (text.length - text.indexOf("\r\n\r\n") - 4 >= length) break;
  }
  socket.destroy();
  const [head = "", body = ""] = text.replace(/^HTTP\/1.1 100 .*\r\n\r\n/, "").split("\r\n\r\n", 2);
  const [status, ...headers] = head.split("\r\n");
  const told = headers.map((line) => line.replace(/^[^:]+/, (name) => name.toLowerCase())).sort();
  return [status, ...told, "", body]
    .join("\n")
    .replace(/\ndate: .*/, "")
    .replaceAll(/[\da-f]{8}-[\da-f-]{27}/g, "n");
}

/** What both sides answer, log and hand on. Only their times and random ids may differ. */
async function both(sent: Sent, webhooks: Partial<WebhookDeps> = {}) {
  const [plain, short] = [await serve(false, webhooks), await serve(true, webhooks)];
  const [expected, answer] = [await exchange(plain, sent), await exchange(short, sent)];
  const logged = async ({ lines }: Side) => {
    await expect.poll(() => lines.length).toBeGreaterThan(0);
    // The stack of an error shows the way that it took.
    const shown = (name: string, value: unknown) => (name === "stack" ? undefined : value);
    return lines.map(({ time, ms, ...line }) =>
      JSON.stringify(line, shown).replaceAll(/[\da-f]{8}-[\da-f-]{27}/g, "n"),
    );
  };
  expect(answer).toEqual(expected);
  expect(await logged(short)).toEqual(await logged(plain));
  expect(short.asked).toEqual(plain.asked);
  return { answer, leftToApp: short.leftToApp(), lines: short.lines };
}

const chunked = (...chunks: string[]) => ({
  headers: { "transfer-encoding": "chunked" },
  pieces: [...chunks.map((c) => `${Buffer.byteLength(c).toString(16)}\r\n${c}\r\n`), "0\r\n\r\n"],
});

const at = String(Math.floor(Date.now() / 1000));
const good = new Webhook(WEBHOOK_SECRET).sign("msg_1", new Date(Number(at) * 1000), EVENT);
const unsigned = { "svix-id": undefined, "svix-timestamp": undefined, "svix-signature": undefined };
const answering = (status: "applied" | "duplicate", version: string | null) => ({
  ingest: { receive: async () => ({ status, version }) },
});

test.each<[string, Sent, Partial<WebhookDeps>?]>([
  ["a webhook", {}],
  ["one with a commit position", {}, answering("applied", "71-0/1")],
  ["a repeat", {}, answering("duplicate", null)],
  ["one without a request id", { headers: { "x-request-id": undefined } }],
  ["a request id that can't be taken", { headers: { "x-request-id": "mine 1" } }],
  ["a request id sent twice", { headers: { "x-request-id": "mine-1\nmine-2" } }],
  [
    "the other family of headers",
    {
      headers: { ...unsigned, "webhook-id": "msg_1", "webhook-timestamp": at, "webhook-signature": good },
    },
  ],
  [
    "a good signature among several",
    { headers: { "svix-timestamp": at, "svix-signature": `v1,AAAA ${good}` } },
  ],
  [
    "a body in pieces",
    { framed: { headers: { "content-length": "71" }, pieces: [EVENT.slice(0, 9), EVENT.slice(9)] } },
  ],
  ["a body in chunks", { framed: chunked(EVENT.slice(0, 50), EVENT.slice(50)) }],
  ["no JSON", { body: "no json" }],
  ["exactly 1 MiB", { body: "x".repeat(1024 * 1024) }],
  ["HTTP/1.0", { version: "1.0" }],
  ["a connection to be closed", { headers: { connection: "close" } }],
  ["a body that is announced", { headers: { expect: "100-continue" } }],
  ["no Host that counts", { version: "1.0", headers: { host: undefined } }],
])("takes %s as the route does, and logs the same line", async (_what, sent, webhooks) => {
  const { answer, leftToApp } = await both(sent, webhooks);
  expect(answer).toMatch(/^HTTP\/1\.1 200 /);
  expect(leftToApp).toBe(0);
});

const failing = (error: unknown) => ({ ingest: { receive: () => Promise.reject(error) } });
const inPostgres = (code: string) => Object.assign(new Error("database"), { code });

test.each<[string, number, Sent, Partial<WebhookDeps>?]>([
  ["another secret's signature", 400, { headers: { "svix-signature": "v1,AAAA" } }],
  ["a tampered body", 400, { headers: { "svix-timestamp": at, "svix-signature": good }, body: "{}" }],
  ["no signature at all", 400, { headers: unsigned }],
  ["an id sent twice", 400, { headers: { "svix-id": "msg_1\nmsg_1" } }],
  ["a timestamp that is no number", 400, { headers: { "svix-timestamp": "now" } }],
  ["signatures without end", 400, { headers: { "svix-signature": "v1,A ".repeat(200) } }],
  ["an empty body that isn't signed", 400, { framed: { headers: { "content-length": "0" }, pieces: [] } }],
  ["more than 1 MiB, as declared", 413, { body: "x".repeat(1024 * 1024 + 1) }],
  [
    "more than 1 MiB in chunks",
    413,
    {
      framed: chunked(
        ..."x"
          .repeat(17)
          .split("")
          .map(() => "x".repeat(65_536)),
      ),
    },
  ],
  ["more bytes than may be here", 503, {}, { mostBytesInFlight: 10 }],
  ["a mirror without a secret", 503, {}, { secrets: [] }],
  ["another instance's event", 400, {}, failing(new AppError("bad_request", "another instance"))],
  ["too many that wait", 503, {}, failing(new AppError("database_unavailable", "wait"))],
  ["Postgres away", 503, {}, failing(inPostgres("ECONNREFUSED"))],
  ["a bug", 500, {}, failing(new Error("a bug"))],
  [
    "a body that ends early",
    400,
    { framed: { headers: { "content-length": "99" }, pieces: [EVENT] }, ends: true },
  ],
])("leaves the answer to %s to the app: %i", async (_what, status, sent, webhooks) => {
  const { answer, leftToApp, lines } = await both(sent, webhooks);
  if (answer !== "\n\n") expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  expect(lines.at(-1)).toMatchObject({ status, path: "/webhooks/clerk", ms: expect.any(Number) });
  expect(leftToApp).toBe(1);
});

test.each<[string, Sent]>([
  ["GET", { method: "GET" }],
  ["PUT", { method: "PUT" }],
  ["a query", { path: "/webhooks/clerk?x=1" }],
  ["an escaped path", { path: "/webhooks/cler%6B" }],
  ["a path with dots", { path: "/v1/../webhooks/clerk" }],
  ["an absolute target", { path: "http://localhost/webhooks/clerk" }],
  ["a longer path", { path: "/webhooks/clerk/" }],
  ["another path", { path: "/v1/webhooks/clerk" }],
])("leaves %s to the app untouched", async (_what, sent) => {
  expect((await both(sent)).leftToApp).toBe(1);
});

test("a failure's line counts the time from the request's arrival, not from where the app took over", async () => {
  const waiting: { begunAtMs: number; reject: (error: Error) => void }[] = [];
  const receive = () =>
    new Promise<never>((_, reject) => waiting.push({ begunAtMs: performance.now(), reject }));
  const short = await serve(true, { ingest: { receive } });
  const answer = exchange(short, {});
  const sinceMs = () => performance.now() - (waiting[0]?.begunAtMs ?? Number.NaN);
  await expect.poll(sinceMs).toBeGreaterThan(20);
  const atLeastMs = sinceMs();
  waiting[0]?.reject(new AppError("database_unavailable", "away"));
  await answer;
  await expect.poll(() => short.lines.at(-1)?.ms).toBeGreaterThan(atLeastMs - 0.1);
});

test("answers each of many on one connection with its own event, in order", async () => {
  const receive: WebhookDeps["ingest"]["receive"] = async ({ raw }) => ({
    status: "applied",
    version: raw.toString(),
  });
  const short = await serve(true, { ingest: { receive } });
  const socket = connect(short.port, "127.0.0.1");
  socket.write(Array.from({ length: 30 }, (_, n) => pieces({ body: `${n}` }).join("")).join(""));
  let text = "";
  for await (const chunk of socket) {
    text += chunk;
    if (text.split('"applied"').length > 30) break;
  }
  expect([...text.matchAll(/x-mirror-version: (\d+)/g)].map(([, n]) => Number(n))).toEqual(
    Array.from({ length: 30 }, (_, n) => n),
  );
});
