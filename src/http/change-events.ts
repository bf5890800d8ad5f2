import { cursorOf, type FeedPlace } from "../changes/cursor.js";
import type { FeedPage, FeedPages, FeedRow, PageRequest } from "../changes/pages.js";
import type { FeedTail } from "../changes/tail.js";
import { sleep } from "../lib/async.js";
import { AppError } from "../lib/errors.js";
import type { Asker } from "../lib/shares.js";
import { changeTexts, partsOf, type Showing } from "./change-text.js";

export interface ChangeEventsDeps {
  pages: FeedPages;
  tail: FeedTail;
  random?: () => number;
}

export interface EventsRequest {
  after: FeedPlace | null;
  kinds: PageRequest["kinds"];
  showing: Showing;
  asker: Asker;
}

const BOOKMARK_MS = 15_000;
/** Streams that a restart has opened all at once don't end all at once. */
const LIFE_MS = 300_000;
const JITTER = 0.1;
const PER_PAGE = 500;
/** After a read that failed. */
const PAUSE_MS = 1000;

/**
 * The feed as server-sent events, until the stream has lived long enough, the process ends, or the signal aborts. What the
 * first read fails with rejects before anything is sent. Later, an expired cursor ends the stream with an event; while the
 * database is away the stream waits, because a client that were cut off would be refused when it comes back.
 */
export async function* changeEvents(
  { pages, tail, random = Math.random }: ChangeEventsDeps,
  { after, kinds, showing, asker }: EventsRequest,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const request = { kinds, limit: PER_PAGE };
  const follower = tail.follow();
  const startedAtMs = performance.now();
  const endsAtMs = startedAtMs + LIFE_MS * (1 - JITTER + 2 * JITTER * random());
  let bookmarkAtMs = startedAtMs + BOOKMARK_MS;
  const isOver = () => signal.aborted || tail.isClosing() || performance.now() >= endsAtMs;
  try {
    let page: FeedPage | null = await pages.after(after, request, asker);
    let place = after;
    // The comment is sent at once, with the head of the answer, although nothing may have happened yet.
    yield Buffer.from(": the feed follows\nretry: 1000\n\n");
    while (!signal.aborted) {
      try {
        page ??= (place && follower.read(place, request)) ?? (await pages.after(place, request, asker));
        for (const part of partsOf(page.rows, showing)) {
          yield eventsOf(part, await changeTexts(part, showing));
          place = part.at(-1) ?? place;
        }
        place = page.end;
      } catch (error) {
        if (hasCode(error, "expired")) {
          yield Buffer.from(`event: reset\ndata: ${JSON.stringify(error.meta)}\n\n`);
          return;
        }
        if (!hasCode(error, "database_unavailable") && !hasCode(error, "overloaded")) throw error;
        page = null;
        yield Buffer.from(": the database can't be read at the moment\n\n");
        await sleep(PAUSE_MS, signal).catch(() => {});
      }
      if (place && (isOver() || performance.now() >= bookmarkAtMs)) {
        bookmarkAtMs = performance.now() + BOOKMARK_MS;
        const cursor = cursorOf(place);
        yield Buffer.from(`event: bookmark\nid: ${cursor}\ndata: ${JSON.stringify({ cursor })}\n\n`);
      }
      if (isOver()) return;
      if (place && page && !page.hasMore) {
        await follower.wait(place, Math.min(bookmarkAtMs, endsAtMs) - performance.now(), signal);
      }
      page = null;
    }
  } finally {
    follower.leave();
  }
}

/** The id of each event is its own cursor, so whoever is cut off in the middle goes on with the next one. */
const eventsOf = (rows: readonly FeedRow[], texts: readonly Buffer[]) =>
  Buffer.concat(
    rows.flatMap((row, n) => [
      Buffer.from(`event: change\nid: ${cursorOf(row)}\ndata: `),
      texts[n] as Buffer,
      Buffer.from("\n\n"),
    ]),
  );

const hasCode = (error: unknown, code: AppError["code"]): error is AppError =>
  error instanceof AppError && error.code === code;
