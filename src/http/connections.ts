import { randomUUID } from "node:crypto";
import { type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { AppError } from "../lib/errors.js";
import { type ErrorAnswer, presentError } from "./errors.js";

export interface ConnectionLimits {
  /** How many connections may be open. Beyond that, one that has nothing running is closed for a newcomer. */
  most: number;
  /** How many requests of one connection are worked on at a time. Those sent behind them wait unread. */
  atOnce: number;
  /** How long an answer may lie here while nothing of it is read: this long, and a second for each so many bytes of it. */
  unreadMs: number;
  unreadBytesASecond: number;
  /** How many bytes of answers may lie unread in all. */
  unreadBytes: number;
  /** How often reading is checked. */
  sweepMs: number;
  /** Told of each connection that there was no room for. */
  onFull: () => void;
}

/** An idle connection takes some 10 KB. A gateway that opens one for each of its callers has hundreds. */
const LIMITS: ConnectionLimits = {
  most: 4096,
  atOnce: 8,
  unreadMs: 20_000,
  unreadBytesASecond: 128 * 1024,
  unreadBytes: 256 * 1024 * 1024,
  sweepMs: 1000,
  onFull: () => {},
};

interface Connection {
  /** Requests that are being worked on, or whose answer isn't read to its end. */
  running: number;
  latest: { incoming: IncomingMessage; outgoing: ServerResponse } | null;
  /** Requests that wait behind those that are running. */
  waiting: (() => void)[];
  idleSinceMs: number;
  /** How many bytes the connection has taken so far, and since when it has taken no more. */
  unread: { readBytes: number; sinceMs: number } | null;
}

/** Starts a request now, or when those before it on its connection are done. */
export type Serve = (incoming: IncomingMessage, outgoing: ServerResponse, handle: () => void) => void;

/**
 * Bounds what connections may hold: their number, the requests of each, and answers that nobody reads. Idle
 * connections are closed first. A newcomer is refused only if every other connection has a whole request running.
 */
export function boundConnections(server: Server, limits: Partial<ConnectionLimits> = {}): Serve {
  const { most, atOnce, unreadMs, unreadBytesASecond, unreadBytes, sweepMs, onFull } = {
    ...LIMITS,
    ...limits,
  };
  const connections = new Map<Socket, Connection>();

  server.on("connection", (socket: Socket) => {
    if (connections.size >= most && !makeRoom()) {
      onFull();
      const full = new AppError("overloaded", "The mirror has too many connections.");
      cutWith(socket, presentError(full, randomUUID()));
      return;
    }
    connections.set(socket, {
      ...{ running: 0, latest: null, waiting: [], unread: null },
      idleSinceMs: performance.now(),
    });
    socket.once("close", () => connections.delete(socket));
  });

  /**
   * Closes the connection that has been idle for longest, or else the one that has been sending a body for longest.
   */
  function makeRoom(): boolean {
    let idle: [Socket, number] | null = null;
    let sending: Socket | null = null;
    for (const [socket, { running, latest, idleSinceMs }] of connections) {
      if (running === 0) {
        if (!idle || idleSinceMs < idle[1]) idle = [socket, idleSinceMs];
      } else if (latest && !latest.incoming.complete) sending ??= socket;
    }
    const victim = idle?.[0] ?? sending;
    if (!victim) return false;
    connections.delete(victim);
    victim.destroy();
    return true;
  }

  function start(socket: Socket, connection: Connection, request: NonNullable<Connection["latest"]>) {
    connection.running++;
    connection.latest = request;
    request.outgoing.once("close", () => {
      connection.running--;
      if (connection.running === 0) connection.idleSinceMs = performance.now();
      connection.waiting.shift()?.();
      if (connection.waiting.length === 0 && socket.isPaused()) socket.resume();
    });
  }

  // Node reads everything that was pipelined in one packet, and each of a thousand requests in it may ask for a list.
  const serve: Serve = (incoming, outgoing, handle) => {
    const { socket } = incoming;
    const connection = connections.get(socket);
    if (!connection) return;
    if (connection.running < atOnce) {
      start(socket, connection, { incoming, outgoing });
      handle();
      return;
    }
    connection.waiting.push(() => {
      start(socket, connection, { incoming, outgoing });
      handle();
    });
    if (connection.waiting.length >= atOnce) socket.pause();
  };

  function sweep(): void {
    const nowMs = performance.now();
    let all = 0;
    const unread: [Socket, number][] = [];
    for (const [socket, connection] of connections) {
      const bytes = socket.writableLength;
      if (bytes === 0) {
        connection.unread = null;
        continue;
      }
      // The number of unread bytes alone says nothing: a stream replaces what was read with its next chunk.
      const readBytes = socket.bytesWritten - bytes;
      if (!connection.unread || readBytes > connection.unread.readBytes)
        connection.unread = { readBytes, sinceMs: nowMs };
      const { sinceMs } = connection.unread;
      if (nowMs - sinceMs > unreadMs + (bytes / unreadBytesASecond) * 1000) {
        socket.destroy();
        continue;
      }
      all += bytes;
      unread.push([socket, sinceMs]);
    }
    if (all <= unreadBytes) return;
    for (const [socket] of unread.sort(([, one], [, other]) => one - other)) {
      if (all <= unreadBytes) return;
      all -= socket.writableLength;
      socket.destroy();
    }
  }

  const sweeping = setInterval(sweep, sweepMs);
  sweeping.unref();
  server.once("close", () => clearInterval(sweeping));

  // Node's own answers to requests that it can't read have no body.
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => {
    const connection = connections.get(socket);
    const { running = 0, latest } = connection ?? {};
    // A request may be answered before its body ends, and isn't answered again where that then can't be read, or doesn't come.
    const isAnswering = latest?.outgoing.headersSent && (running > 0 || !latest.incoming.complete);
    if (error.code === "ECONNRESET" || isAnswering || running > 1) socket.destroy();
    else cutWith(socket, presentError(unreadable(error), randomUUID()));
  });

  return serve;
}

function unreadable({ code }: NodeJS.ErrnoException): AppError {
  switch (code) {
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return new AppError("too_slow", "The request didn't arrive in time.");
    case "HPE_HEADER_OVERFLOW":
      return new AppError("headers_too_large", "The request's headers are too large.");
    default:
      return new AppError("bad_request", "The request can't be read.");
  }
}

/** Sends a last answer on this connection and closes it. */
function cutWith(socket: Socket, { status, headers, body }: ErrorAnswer): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const lines = Object.entries({
    ...headers,
    "content-length": String(body.length),
    connection: "close",
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join("")}\r\n${body}`);
  socket.destroy();
}
