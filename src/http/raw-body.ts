import type { IncomingMessage } from "node:http";
import type { Context } from "hono";
import { AppError } from "../lib/errors.js";
import type { HttpEnv } from "./respond.js";

/**
 * The body's bytes as they came, straight from the connection: the web's streams in between cost more than verifying a
 * webhook. Throws `too_large`, having let the rest pass by.
 */
export async function rawBody(c: Context<HttpEnv>, maxBytes: number, what: string): Promise<Buffer> {
  const tooLarge = () =>
    new AppError("too_large", `The body of ${what} may have ${maxBytes / 1024} KiB at most.`);
  if (Number(c.req.header("Content-Length") ?? 0) > maxBytes) throw tooLarge();
  const incoming = c.env?.incoming;
  const body = incoming ? await collect(incoming, maxBytes) : Buffer.from(await c.req.arrayBuffer());
  if (body === null || body.length > maxBytes) throw tooLarge();
  return body;
}

/** Null: there was more than that. */
function collect(incoming: IncomingMessage, maxBytes: number): Promise<Buffer | null> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    incoming
      .on("data", (chunk: Buffer) => {
        size += chunk.length;
        if (size > maxBytes) resolve(null);
        else chunks.push(chunk);
      })
      .once("end", () => resolve(Buffer.concat(chunks)))
      .once("error", reject)
      .once("close", () => {
        if (!incoming.complete)
          reject(new AppError("bad_request", "The connection ended before the body did."));
      });
  });
}
