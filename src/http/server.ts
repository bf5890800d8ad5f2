import { randomUUID } from "node:crypto";
import { createServer, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener, RequestError } from "@hono/node-server";
import type { Hono } from "hono";
import { AppError } from "../lib/errors.js";
import { boundConnections, type ConnectionLimits } from "./connections.js";
import { presentBug, presentError } from "./errors.js";
import type { HttpEnv } from "./respond.js";
import type { Shortcut } from "./shortcut.js";

export interface ListenOptions {
  host: string;
  /** 0: any free port. */
  port: number;
  limits?: Partial<ConnectionLimits & { requestMs: number }>;
}

export interface Listening {
  readonly url: string;
  readonly port: number;
  /**
   * Takes no new connection, lets running requests finish, and resolves when none is left. Whatever still runs after
   * `deadlineMs` is cut.
   */
  drain(deadlineMs: number): Promise<void>;
}

/**
 * Filters are part of the request line. Those of a link may have 64 KiB, and are longer there, since quotes and spaces are
 * escaped.
 */
const MAX_HEADER_BYTES = 128 * 1024;
/** Longer than balancers keep idle connections (60 s is common), so that none reuses one that we have just closed. */
const KEEP_ALIVE_MS = 75_000;
const IDLE_CHECK_MS = 100;
/**
 * A request must have arrived whole by then, with headers and body. Together with the time between two checks this
 * stays below 15 seconds.
 */
const REQUEST_MS = 13_000;
const REQUEST_CHECK_MS = 1000;

/** Serves the app, and the shortcut before it. Rejects with `configuration` if the address can't be had. */
export async function listen(
  app: Hono<HttpEnv>,
  { host, port, limits }: ListenOptions,
  shortcut: Shortcut = (_incoming, _outgoing, otherwise) => otherwise(),
): Promise<Listening> {
  let draining = false;
  // Decided as late as the head of an answer is written, so that requests that were running when draining began are
  // told to close too.
  class DrainableResponse extends ServerResponse {
    override writeHead(...head: unknown[]): this {
      if (draining) this.shouldKeepAlive = false;
      return super.writeHead(...(head as Parameters<ServerResponse["writeHead"]>));
    }
  }
  const listener = getRequestListener(app.fetch, {
    errorHandler: answerUnreadable,
    // HTTP/1.0 has no Host header, and balancers ask in it whether we are well.
    hostname: "localhost",
  });
  const server = createServer({
    maxHeaderSize: MAX_HEADER_BYTES,
    ServerResponse: DrainableResponse,
    headersTimeout: limits?.requestMs ?? REQUEST_MS,
    requestTimeout: limits?.requestMs ?? REQUEST_MS,
    connectionsCheckingInterval: Math.min(REQUEST_CHECK_MS, limits?.requestMs ?? REQUEST_MS),
  });
  const serve = boundConnections(server, limits);
  server.on("request", (incoming, outgoing) => {
    // `OPTIONS *` is about the server as a whole, as `/` is here, and `*` is no path that the listener could read.
    if (incoming.method === "OPTIONS" && incoming.url === "*") incoming.url = "/";
    serve(incoming, outgoing, () => shortcut(incoming, outgoing, () => void listener(incoming, outgoing)));
  });
  server.keepAliveTimeout = KEEP_ALIVE_MS;

  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => reject(asConfigurationError(error, host, port)));
    server.listen(port, host, resolve);
  });
  const address = server.address() as AddressInfo;

  return {
    url: `http://${address.family === "IPv6" ? `[${address.address}]` : address.address}:${address.port}`,
    port: address.port,
    drain: (deadlineMs) =>
      new Promise((resolve) => {
        draining = true;
        // Closing alone would wait for clients to let go of their idle connections, which takes seconds.
        const idle = setInterval(() => server.closeIdleConnections(), IDLE_CHECK_MS);
        const deadline = setTimeout(() => server.closeAllConnections(), deadlineMs);
        server.close(() => {
          clearInterval(idle);
          clearTimeout(deadline);
          resolve();
        });
        server.closeIdleConnections();
      }),
  };
}

/** Answers requests that never reach the app: an impossible Host header, a target that is no path. */
function answerUnreadable(error: unknown): Response {
  const id = randomUUID();
  const { body, ...init } =
    error instanceof RequestError
      ? presentError(new AppError("bad_request", "The request can't be read."), id)
      : presentBug(id);
  return new Response(body, init);
}

function asConfigurationError(error: NodeJS.ErrnoException, host: string, port: number): Error {
  const cause = { cause: error };
  switch (error.code) {
    case "EADDRINUSE":
      return new AppError(
        "configuration",
        `PORT ${port} is in use on ${host}. Set PORT to a free one, or to 0.`,
        cause,
      );
    case "EACCES":
      return new AppError(
        "configuration",
        `PORT ${port} may not be opened by this user. Take one above 1023.`,
        cause,
      );
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return new AppError("configuration", `HOST ${host} is not an address of this machine.`, cause);
    default:
      return new AppError("configuration", `HOST and PORT can't be listened on: ${error.message}.`, cause);
  }
}
