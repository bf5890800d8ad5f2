import type { IncomingMessage } from "node:http";
import type { Context } from "hono";
import { AppError } from "../lib/errors.js";
import type { HttpEnv } from "./respond.js";
import type { ReadHeader } from "./webhook-signature.js";

/** How many bytes one request holds, out of what all requests together may hold. */
export interface HeldBytes {
  /** Throws `overloaded` if that would be too many. */
  add(bytes: number): void;
  /** Call it when nothing of the body is needed any more. */
  release(): void;
}

/**
 * Limits the bytes of all bodies that are here at a time, whether they are being read, hashed, or waiting for
 * Postgres.
 */
export function createBytesInFlight(most: number): { open(): HeldBytes } {
  let all = 0;
  return {
    open() {
      let own = 0;
      return {
        add(bytes) {
          if (all + bytes > most) throw new AppError("overloaded", "Too many bodies are being read.");
          all += bytes;
          own += bytes;
        },
        release() {
          all -= own;
          own = 0;
        },
      };
    },
  };
}

export interface BodySource {
  header: ReadHeader;
  /** Node's own request, or what the app was called with where there is no server. */
  body: IncomingMessage | (() => Promise<ArrayBuffer>);
}

/**
 * The body's bytes as they came, straight from the connection: web streams in between would cost more than verifying
 * a webhook. Throws `too_large` or `overloaded`, and holds nothing of the rest, which still passes by.
 */
export async function rawBody(
  { header, body }: BodySource,
  { maxBytes, what, held }: { maxBytes: number; what: string; held: HeldBytes },
): Promise<Buffer> {
  const tooLarge = () =>
    new AppError("too_large", `The body of ${what} may have ${maxBytes / 1024} KiB at most.`);
  if (Number(header("content-length") ?? 0) > maxBytes) throw tooLarge();
  const bytes = typeof body === "function" ? Buffer.from(await body()) : await collect(body, maxBytes, held);
  if (bytes === null || bytes.length > maxBytes) throw tooLarge();
  return bytes;
}

/** Null if the body is larger than that. */
function collect(incoming: IncomingMessage, maxBytes: number, held: HeldBytes): Promise<Buffer | null> {
  return new Promise((resolve, reject) => {
    let chunks: Buffer[] | null = [];
    let size = 0;
    const giveUp = (settle: () => void) => {
      chunks = null;
      settle();
    };
    incoming
      .on("data", (chunk: Buffer) => {
        if (chunks === null) return;
        size += chunk.length;
        if (size > maxBytes) {
          giveUp(() => resolve(null));
          return;
        }
        try {
          held.add(chunk.length);
          chunks.push(chunk);
        } catch (overloaded) {
          giveUp(() => reject(overloaded));
        }
      })
      // Each comes once: listeners that are taken off behind that cost more.
      .on("end", () => resolve(chunks && joined(chunks)))
      .on("error", (cause) => reject(bodyCut(cause)))
      .on("close", () => {
        if (!incoming.complete) reject(bodyCut());
      });
  });
}

/** Most bodies arrive in one piece, which needn't be copied. */
const joined = (chunks: Buffer[]) => (chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks));

/** As long as the server itself lets a body pass by behind an answer, before it closes the connection. */
const PASSING_MS = 500;

/**
 * Lets the rest of a refused body pass by, and resolves whether that came to its end. Otherwise the server closes the connection
 * behind the answer, which has to say so: the client's next request would find it closed.
 */
export async function bodyPasses(c: Context<HttpEnv>): Promise<boolean> {
  const incoming = c.env?.incoming;
  const hasBody = ["content-length", "transfer-encoding"].some((name) => c.req.header(name) !== undefined);
  if (!incoming || !hasBody || incoming.complete) return true;
  // Whoever began to read it and stopped would be given the rest, and hold it.
  if (incoming.destroyed || incoming.readableFlowing === false) return false;
  await new Promise<void>((resolve) => {
    const settle = () => {
      clearTimeout(timer);
      incoming.off("end", settle).off("close", settle);
      resolve();
    };
    const timer = setTimeout(settle, PASSING_MS);
    incoming.once("end", settle).once("close", settle).resume();
  });
  return incoming.complete;
}

/** Whether the connection ended in the middle of the body: then whatever failed, failed because of that. */
export function isBodyCut(c: Context<HttpEnv>): boolean {
  const incoming = c.env?.incoming;
  return incoming?.destroyed === true && !incoming.complete;
}

/** Nobody is left to receive this error. Only the log shows it. */
export const bodyCut = (cause?: unknown) =>
  new AppError("bad_request", "The connection ended before the body did.", { cause });
