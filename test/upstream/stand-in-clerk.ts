import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { silentLogger } from "../../src/observability/logger.js";
import { createUpstream } from "../../src/upstream/client.js";
import { createForwarder, type Places } from "../../src/upstream/forward.js";
import {
  createLocalQuotaStore,
  createRequestQueue,
  type RequestQueue,
} from "../../src/upstream/request-queue.js";

type Received = IncomingMessage & { body: string };
export type Handler = (request: Received, response: ServerResponse) => void;

export interface ClerkOptions {
  queue?: Pick<RequestQueue, "take" | "pause">;
  timeoutMs?: number;
  places?: Places;
  /** Called when a request's head is there, and its body may not be. */
  onHead?: (request: IncomingMessage) => void;
  /** Called for every whole request, in place of the handlers. */
  onWhole?: Handler;
  /** False: takes no body, as if it hung. */
  takesBodies?: boolean;
}

const servers: Server[] = [];

/** A server that answers by these handlers in turn, the last one from then on, and a client of it. */
export async function clerk(options: ClerkOptions, ...handlers: Handler[]) {
  const received: Received[] = [];
  const server = createServer(async (request, response) => {
    options.onHead?.(request);
    if (options.takesBodies === false) return;
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk);
    } catch {
      return;
    }
    const whole = Object.assign(request, { body: Buffer.concat(chunks).toString("utf8") });
    received.push(whole);
    if (options.onWhole) return options.onWhole(whole, response);
    handlers[Math.min(received.length, handlers.length) - 1]?.(whole, response);
  });
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const queue =
    options.queue ?? createRequestQueue(createLocalQuotaStore({ limit: 1000, backgroundShare: 1 }));
  const upstream = createUpstream({
    ...{ apiUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, secretKey: "sk_test_ours" },
    ...{ apiVersion: "2026-05-12", timeoutMs: options.timeoutMs ?? 300, queue, now: Date.now },
    log: silentLogger(),
  });
  return { server, upstream, forward: createForwarder(upstream, options.places), received };
}

export async function closeClerks(): Promise<void> {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    if (!server.listening) continue;
    server.close();
    await once(server, "close");
  }
}

export const answer =
  (status: number, body: unknown = {}, headers: Record<string, string> = {}): Handler =>
  (_, response) =>
    response
      .writeHead(status, { "content-type": "application/json", ...headers })
      .end(typeof body === "string" ? body : JSON.stringify(body));
export const cut: Handler = (request) => request.socket.destroy();
export const silence: Handler = () => {};

/** What is sent on in a test, unless it says otherwise. */
export const request = (overrides: object = {}) => ({
  ...{ method: "POST", path: "/v1/users", search: "?a=%2B1&b=x+y", headers: new Headers(), body: null },
  ...overrides,
});
