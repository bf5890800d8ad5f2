import type { Context } from "hono";
import { sleep } from "../../../lib/async.js";
import { countOut } from "../../admission.js";
import { createHeld } from "../../held.js";
import type { HttpEnv } from "../../respond.js";
import { respondStream } from "../../respond-stream.js";
import { visitOf } from "./visit.js";

const held = createHeld();
/** The key is asked for as often: a revoked one sees nothing new after a second. */
const EVERY_MS = 1000;
/** Then the browser connects again, perhaps to another process. */
const LIFE_MS = 300_000;
const JITTER = 0.1;

/**
 * A part of a page that stays up to date (`data-live`): what is read each second is sent as HTML, if it isn't the same as before. Ends
 * with the session. A read that fails sends nothing; the next one may succeed.
 */
export function liveHtml<T>(
  c: Context<HttpEnv>,
  read: () => Promise<T | null>,
  render: (read: T) => Promise<string>,
  everyMs = EVERY_MS,
): Promise<Response> {
  const visit = visitOf(c);
  const endsAtMs = performance.now() + LIFE_MS * (1 - JITTER + 2 * JITTER * Math.random());

  async function* chunks(signal: AbortSignal): AsyncGenerator<Buffer> {
    const leave = held.enter(visit.name);
    try {
      countOut(c.env?.outgoing);
      yield Buffer.from(": live\nretry: 2000\n\n");
      for (let sent = ""; !signal.aborted && performance.now() < endsAtMs; ) {
        if (!(await visit.isStillAllowed())) {
          yield Buffer.from("event: end\ndata: 0\n\n");
          return;
        }
        const value = await read();
        const text = JSON.stringify(value);
        if (value !== null && text !== sent) {
          sent = text;
          yield Buffer.from(`event: replace\ndata: ${JSON.stringify(await render(value))}\n\n`);
        }
        await sleep(everyMs, signal).catch(() => {});
      }
    } finally {
      leave();
    }
  }

  return respondStream(c, chunks, { "content-type": "text/event-stream", "x-accel-buffering": "no" });
}
