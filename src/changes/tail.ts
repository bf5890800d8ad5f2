import { shareNextRun, sleep } from "../lib/async.js";
import { AppError } from "../lib/errors.js";
import { runLoop } from "../lib/loop.js";
import type { Logger } from "../observability/logger.js";
import type { FeedPlace } from "./cursor.js";
import { type FeedPage, type FeedPages, type FeedRow, KINDS, kindOf, type PageRequest } from "./pages.js";

/**
 * The end of the feed, in memory while somebody follows it: each commit is read once, however many wait for it. One for
 * each process.
 */
export interface FeedTail {
  /** Call it when something may have been committed. */
  notice(): void;
  follow(): Follower;
  /** Reads what it isn't told of, until aborted. Then every wait ends at once, and nobody should follow on. */
  run(signal: AbortSignal): Promise<void>;
  isClosing(): boolean;
}

export interface Follower {
  /** The page behind a place, if it is in memory whole. */
  read(place: FeedPlace, request: PageRequest): FeedPage | null;
  /** Resolves when there may be something behind the place, after `ms`, or when the signal aborts. */
  wait(place: FeedPlace, ms: number, signal: AbortSignal): Promise<void>;
  /** To be called once, when it is not followed any more. */
  leave(): void;
}

export interface FeedTailDeps {
  pages: FeedPages;
  /** Whether commits are heard of. Otherwise the feed is read once a second. */
  isHearing: () => boolean;
  log: Logger;
  mostRows?: number;
}

const POLL_MS = 1000;
/** Commits that come faster than this are read together. */
const BETWEEN_READS_MS = 10;
const PER_READ = 1000;
/** Some 200 bytes each. A follower that is further behind reads for itself. */
const MOST_ROWS = 5000;
const ALL: PageRequest = { kinds: new Set(KINDS), limit: PER_READ };

interface Known {
  /** The place before the first row. */
  from: FeedPlace;
  rows: FeedRow[];
  last: FeedPlace;
}

export function createFeedTail({ pages, isHearing, log, mostRows = MOST_ROWS }: FeedTailDeps): FeedTail {
  let followers = 0;
  let known: Known | null = null;
  /** Something may have been committed since the last read began. */
  let isBehind = true;
  let readAtMs = Number.NEGATIVE_INFINITY;
  let closing = false;
  const waiting = new Set<{ position: number; wake: () => void }>();

  const readOn = shareNextRun(async () => {
    const sinceMs = performance.now() - readAtMs;
    if (sinceMs < BETWEEN_READS_MS) await sleep(BETWEEN_READS_MS - sinceMs);
    readAtMs = performance.now();
    isBehind = false;
    try {
      await readAll();
    } catch (error) {
      isBehind = true;
      // Where the feed isn't the one that was known, each follower finds out at its own place.
      if (error instanceof AppError && error.code === "expired") forget();
      else log.debug({ err: error }, "the feed could not be read");
    }
    for (const { position, wake } of [...waiting]) {
      if (!known || known.last.position > position) wake();
    }
  });

  async function readAll(): Promise<void> {
    if (!known) {
      const last = await pages.newest();
      known = { from: last, rows: [], last };
    }
    // What is forgotten meanwhile is read to its end all the same, and nobody looks at it.
    const own = known;
    for (let hasMore = true; hasMore && followers > 0; ) {
      const page = await pages.after(own.last, ALL);
      hasMore = page.hasMore;
      own.rows.push(...page.rows);
      own.last = page.end;
      const surplus = own.rows.splice(0, Math.max(0, own.rows.length - mostRows)).at(-1);
      if (surplus) own.from = { position: surplus.position, atMs: surplus.atMs };
    }
  }

  function forget(): void {
    known = null;
    isBehind = true;
  }

  function notice(): void {
    isBehind = true;
    if (followers > 0) void readOn();
  }

  function read(place: FeedPlace, { kinds, limit }: PageRequest): FeedPage | null {
    if (!known || place.position < known.from.position || place.position > known.last.position) return null;
    const rows: FeedRow[] = [];
    for (let at = firstBehind(known.rows, place.position); at < known.rows.length; at++) {
      const row = known.rows[at] as FeedRow;
      if (kinds.has(kindOf(row))) rows.push(row);
      if (rows.length === limit) {
        const end = { position: row.position, atMs: row.atMs };
        return { rows, end, hasMore: row.position < known.last.position };
      }
    }
    return { rows, end: known.last, hasMore: false };
  }

  function wait({ position }: FeedPlace, ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (closing || signal.aborted || ms <= 0) return resolve();
      const waiter = { position, wake };
      const timer = setTimeout(wake, ms);
      function wake() {
        clearTimeout(timer);
        signal.removeEventListener("abort", wake);
        waiting.delete(waiter);
        resolve();
      }
      signal.addEventListener("abort", wake, { once: true });
      waiting.add(waiter);
      if (known && known.last.position > position) wake();
      // What was committed since the place was read may have been announced before anybody waited.
      else if (isBehind) void readOn();
    });
  }

  function follow(): Follower {
    followers++;
    return {
      read,
      wait,
      leave() {
        followers--;
        if (followers === 0) forget();
      },
    };
  }

  /** Doesn't wait for a read that hangs. */
  function close(): void {
    closing = true;
    for (const { wake } of [...waiting]) wake();
  }

  return {
    notice,
    follow,
    isClosing: () => closing,
    async run(signal) {
      const step = () => (followers > 0 && (isBehind || !isHearing()) ? readOn() : undefined);
      signal.addEventListener("abort", close, { once: true });
      await runLoop({ signal, step, startsWith: "pause", pauseMs: POLL_MS });
    },
  };
}

/** The index of the first row behind a position. */
function firstBehind(rows: readonly FeedRow[], position: number): number {
  let [low, high] = [0, rows.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((rows[middle] as FeedRow).position > position) high = middle;
    else low = middle + 1;
  }
  return low;
}
