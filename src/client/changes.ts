import { MirrorError } from "./errors.js";
import { eventsIn, type ServerEvent } from "./events.js";
import { linesOf } from "./lines.js";
import { isPassing, pauseMs, type Transport } from "./transport.js";
import type { Change, ChangesOptions } from "./types.js";
import { backoffMs, wait } from "./waiting.js";

/** The mirror sends a bookmark every 15 s: after three of them that didn't come, the connection is dead. */
const SILENCE_MS = 45_000;

/**
 * The feed, live: reconnects where the connection ends, and goes on behind what it gave last. Rejects where that isn't
 * possible: with `changes_expired` when the cursor is older than what the mirror remembers, and with whatever else the mirror
 * refuses.
 */
export async function* readChanges(
  transport: Transport,
  options: ChangesOptions = {},
): AsyncGenerator<Change, void, undefined> {
  const { types, include, onBookmark, signal } = options;
  let after = options.after ?? "now";
  // Where "now" is has to be known, so that nothing falls between this connection and the next.
  if (after === "now") after = await newestCursor(transport, signal);
  for (let failed = 0; ; ) {
    signal?.throwIfAborted();
    const query = new URLSearchParams({
      after,
      ...(types && { types: types.join(",") }),
      ...(include && { include }),
    });
    const headers = { accept: "text/event-stream" };
    let events = 0;
    try {
      const request = { method: "GET", path: `/mirror/changes?${query}`, headers, signal } as const;
      const { text } = await transport.stream(request, SILENCE_MS);
      for await (const event of eventsIn(linesOf(text))) {
        events++;
        if (event.type === "reset") throw expired(event);
        if (event.id !== "") after = event.id;
        if (event.type === "change") yield { ...JSON.parse(event.data), cursor: after } as Change;
        else if (event.type === "bookmark") await onBookmark?.(after);
      }
      failed = events > 0 ? 0 : failed + 1;
      if (failed > 0) await wait(backoffMs(failed), signal);
    } catch (failure) {
      signal?.throwIfAborted();
      if (!isPassing(failure)) throw failure;
      failed = events > 0 ? 0 : failed + 1;
      await wait(pauseMs(failure, failed), signal);
    }
  }
}

async function newestCursor(transport: Transport, signal: AbortSignal | undefined): Promise<string> {
  const request = { method: "GET", path: "/mirror/changes?after=now&limit=1", signal } as const;
  return (await transport.json(request)).next_cursor as string;
}

const expired = ({ data }: ServerEvent) =>
  new MirrorError("The cursor is older than what the mirror remembers.", {
    status: 410,
    code: "changes_expired",
    meta: { data },
  });
