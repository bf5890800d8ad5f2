import type { Context } from "hono";
import { sleep } from "../../../lib/async.js";
import { countOut } from "../../admission.js";
import { createHeld } from "../../held.js";
import { type HttpEnv, respond } from "../../respond.js";
import { respondStream } from "../../respond-stream.js";
import { visitOf } from "./visit.js";

const held = createHeld();
/** The key is asked for as often: a revoked one sees nothing new after a second. */
const EVERY_MS = 1000;
/** Then the browser connects again, perhaps to another process. */
const LIFE_MS = 300_000;
const JITTER = 0.1;

/** What a live part of a page does next. `replace`: its whole content; `prepend`: more of a list. */
export interface LiveEvent {
  event: "replace" | "prepend";
  html: string;
  /** Where the stream goes on when the browser connects again. */
  id?: string;
}

/**
 * Server-sent events for a part of a page (`data-live`), until the stream has lived long enough or the session has ended. `events` must
 * yield about once a second, null where there is nothing: each time it is asked whether the key still holds.
 */
export function liveEvents(
  c: Context<HttpEnv>,
  events: (signal: AbortSignal) => AsyncIterable<LiveEvent | null>,
): Promise<Response> {
  const visit = visitOf(c);
  const endsAtMs = performance.now() + LIFE_MS * (1 - JITTER + 2 * JITTER * Math.random());

  async function* chunks(signal: AbortSignal): AsyncGenerator<Buffer> {
    const leave = held.enter(visit.name);
    try {
      countOut(c.env?.outgoing);
      yield Buffer.from(": live\nretry: 2000\n\n");
      for await (const told of events(signal)) {
        if (!(await visit.isStillAllowed())) {
          yield Buffer.from(END);
          return;
        }
        if (told) yield Buffer.from(textOf(told));
        if (signal.aborted || performance.now() >= endsAtMs) return;
      }
    } finally {
      leave();
    }
  }

  return respondStream(c, chunks, HEADERS, { verifiesItself: true });
}

/** To a live part that connects again when its session has ended: it would try for ever to read the sign-in page. */
export const endedEvents = (c: Context<HttpEnv>): Response => respond(c, END, 200, HEADERS);

export const isLivePart = (c: Context<HttpEnv>) => c.req.header("Accept") === TYPE;

const TYPE = "text/event-stream";
// The second keeps nginx from holding events back until its buffer is full.
const HEADERS = { "content-type": TYPE, "x-accel-buffering": "no" };
const END = "event: end\ndata: 0\n\n";

const textOf = ({ event, html, id }: LiveEvent) =>
  `event: ${event}\n${id === undefined ? "" : `id: ${id}\n`}data: ${JSON.stringify(html)}\n\n`;

/** What is read each second is sent as HTML, if it isn't the same as before. A read that fails sends nothing; the next may succeed. */
export function liveHtml<T>(
  c: Context<HttpEnv>,
  read: () => Promise<T | null>,
  render: (read: T) => Promise<string>,
  everyMs = EVERY_MS,
): Promise<Response> {
  return liveEvents(c, async function* (signal) {
    for (let sent = ""; !signal.aborted; ) {
      const value = await read();
      const text = JSON.stringify(value);
      const isNew = value !== null && text !== sent;
      if (isNew) sent = text;
      yield isNew ? { event: "replace", html: await render(value) } : null;
      await sleep(everyMs, signal).catch(() => {});
    }
  });
}
