import type { ServerResponse } from "node:http";
import type { Context } from "hono";
import { AppError, errorOf } from "../lib/errors.js";
import { gone } from "../lib/shares.js";
import { type HttpEnv, respond, type StreamEnd } from "./respond.js";

/** The chunks of an answer, made as they are asked for. The signal aborts when nobody waits for them any more. */
export type Chunks = (signal: AbortSignal) => AsyncIterable<Uint8Array>;

export interface StreamOptions {
  /** A client that takes longer than this for a chunk is cut off, whatever it reads meanwhile. */
  chunkMs?: number;
  /** The chunks ask themselves whether the key still holds, because they say something where it doesn't. */
  verifiesItself?: boolean;
}

/** A verified key is trusted for half a second (`auth/stored-keys.ts`), and a revoked one sees nothing new after a second. */
const KEY_EVERY_MS = 400;

/**
 * An answer that is written chunk by chunk, for what is too large or too slow to hold as a whole.
 *
 * - The next chunk is asked for when the connection has room for it: no more than one waits in memory.
 * - When the client goes away, or is cut off because it doesn't read (`connections.ts`), the signal aborts and the
 *   iterator's `return` is called. So it is when the key of the request is revoked.
 * - What fails before the first chunk rejects, and is answered like any other failure. What fails behind it is logged and
 *   cuts the connection: a stream that ends is complete.
 */
export async function respondStream(
  c: Context<HttpEnv>,
  chunks: Chunks,
  headers: Record<string, string>,
  { chunkMs, verifiesItself = false }: StreamOptions = {},
): Promise<Response> {
  if (c.req.method === "HEAD") return respond(c, null, 200, headers);
  const outgoing = c.env?.outgoing;
  const asker = c.env?.leaving;
  const verifyAgain = verifiesItself ? undefined : c.get("verifyAgain");
  const leaving = new AbortController();
  const iterator = chunks(leaving.signal)[Symbol.asyncIterator]();
  let end: (how: StreamEnd) => void = () => {};
  let late: NodeJS.Timeout | undefined;
  let keyCheck: NodeJS.Timeout | undefined;

  function stopWatching(): void {
    asker?.removeEventListener("abort", leave);
    clearTimeout(late);
    clearInterval(keyCheck);
    keyCheck = undefined;
  }

  function leave(): void {
    stopWatching();
    if (leaving.signal.aborted) return;
    leaving.abort();
    end({ kind: "left" });
    // Nobody is left to be told if this fails too.
    void (async () => iterator.return?.())().catch(() => {});
  }

  function cutLate(): void {
    leave();
    if (outgoing) cut(outgoing);
  }

  /** While the database is away nobody can tell, and nobody is cut off. */
  async function checkKey(): Promise<void> {
    try {
      await verifyAgain?.();
    } catch (error) {
      const isRevoked = error instanceof AppError && error.code === "unauthenticated";
      if (!isRevoked || keyCheck === undefined) return;
      end({ kind: "failed", error });
      cutLate();
    }
  }

  // The same event ends an answer that was sent whole, when there is nothing left to end.
  outgoing?.once("close", leave);
  asker?.addEventListener("abort", leave);
  if (outgoing?.destroyed || asker?.aborted) leave();
  // As an error, because Hono passes on what is none, and nobody would log it.
  let first: IteratorResult<Uint8Array> | null = await iterator.next().catch((error) => {
    stopWatching();
    throw leaving.signal.aborted ? gone() : errorOf(error);
  });
  if (leaving.signal.aborted) throw gone();
  c.set(
    "streamEnd",
    new Promise((resolve) => {
      end = resolve;
    }),
  );
  // The keys of the environment are valid for as long as the process lives.
  if (outgoing && verifyAgain && c.get("principal")?.id !== undefined)
    keyCheck = setInterval(checkKey, KEY_EVERY_MS);

  const body = new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      async pull(controller) {
        clearTimeout(late);
        try {
          const { done, value } = first ?? (await iterator.next());
          first = null;
          if (leaving.signal.aborted) {
            // Without a connection to cut, whoever reads on, as another route of this process may, would wait for ever. With one,
            // the server would print the error.
            if (!outgoing) controller.error(gone());
            return;
          }
          if (!done) {
            controller.enqueue(bytesOf(value));
            if (chunkMs !== undefined) late = setTimeout(cutLate, chunkMs);
            return;
          }
          stopWatching();
          controller.close();
          end({ kind: "whole" });
        } catch (error) {
          if (leaving.signal.aborted) return;
          stopWatching();
          end({ kind: "failed", error: errorOf(error) });
          // The server would log the error itself, and write its message behind what was sent.
          if (outgoing) cut(outgoing);
          else controller.error(error);
        }
      },
      cancel: leave,
    },
    { highWaterMark: 0 },
  );
  return respond(c, body, 200, headers);
}

/** With a reset: to a client, or a proxy, that speaks HTTP/1.0, a connection that merely ends is a complete answer. */
function cut(outgoing: ServerResponse): void {
  if (outgoing.socket) outgoing.socket.resetAndDestroy();
  else outgoing.destroy();
}

function bytesOf(chunk: unknown): Uint8Array<ArrayBuffer> {
  if (chunk instanceof Uint8Array) return chunk as Uint8Array<ArrayBuffer>;
  throw new TypeError("a chunk of an answer is no bytes");
}
