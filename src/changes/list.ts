import type { Asker } from "../lib/shares.js";
import type { FeedPlace } from "./cursor.js";
import type { FeedPage, FeedPages, PageRequest } from "./pages.js";
import type { FeedTail } from "./tail.js";

export interface ListDeps {
  pages: FeedPages;
  tail: FeedTail;
}

/** A reader of what is rare is given an empty page then, from whose end it goes on. */
const MOST_WINDOWS = 5;

/** One page of the feed, for those who come again. */
export async function listChanges(
  pages: FeedPages,
  after: FeedPlace | null,
  request: PageRequest,
  asker: Asker,
): Promise<FeedPage> {
  let page = await pages.after(after, request, asker);
  for (let windows = 1; page.rows.length === 0 && page.hasMore && windows < MOST_WINDOWS; windows++) {
    page = await pages.after(page.end, request, asker);
  }
  return page;
}

/** Behind an empty page: what comes next, or an empty page after `waitMs`, when the process ends, or the asker has gone. */
export async function awaitChanges(
  { pages, tail }: ListDeps,
  empty: FeedPage,
  request: PageRequest,
  waitMs: number,
  asker: Asker,
): Promise<FeedPage> {
  const follower = tail.follow();
  const endsAtMs = performance.now() + waitMs;
  const signal = asker.signal ?? new AbortController().signal;
  try {
    for (let page = empty; ; ) {
      const leftMs = endsAtMs - performance.now();
      if (page.rows.length > 0 || leftMs <= 0 || tail.isClosing() || signal.aborted) return page;
      if (!page.hasMore) await follower.wait(page.end, leftMs, signal);
      page = follower.read(page.end, request) ?? (await pages.after(page.end, request, asker));
    }
  } finally {
    follower.leave();
  }
}
