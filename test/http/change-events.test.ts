// Covers src/http/change-{events,text}.ts

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { cursorOf, type FeedPlace } from "../../src/changes/cursor.js";
import { type FeedPage, type FeedRow, KINDS, kindOf, type PageRequest } from "../../src/changes/pages.js";
import { changeEvents } from "../../src/http/change-events.js";
import type { Showing } from "../../src/http/change-text.js";
import { AppError } from "../../src/lib/errors.js";
import { OURSELVES } from "../../src/lib/shares.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const rowAt = (position: number, type: FeedRow["type"] = "user.upserted"): FeedRow => ({
  ...{ position, atMs: position * 10, type, id: `id_${position}`, updatedAtMs: position },
});

/** A feed in memory, with the waits of its followers. */
function feedOf(...rows: FeedRow[]) {
  const state = { followers: 0, failure: null as AppError | null, isClosing: false };
  const wakes = new Set<() => void>();
  const wakeAll = () => {
    for (const wake of wakes) wake();
  };
  function pageAfter(after: FeedPlace | null, { kinds, limit }: PageRequest): FeedPage {
    if (state.failure) throw state.failure;
    const behind = rows.filter(({ position }) => position > (after?.position ?? 0));
    const found = behind.filter((row) => kinds.has(kindOf(row)));
    const last = found[limit - 1] ?? behind.at(-1) ?? after ?? { position: 0, atMs: 0 };
    const end = { position: last.position, atMs: last.atMs };
    return { rows: found.slice(0, limit), end, hasMore: last !== (behind.at(-1) ?? last) };
  }
  const pages = {
    newest: async () => rowAt(0),
    recent: async () => null,
    after: async (...given: Parameters<typeof pageAfter>) => pageAfter(...given),
  };
  const tail = {
    notice() {},
    run: async () => {},
    isClosing: () => state.isClosing,
    follow() {
      state.followers++;
      return {
        read: () => null,
        wait: (_place: FeedPlace, ms: number, signal: AbortSignal) =>
          new Promise<void>((resolve) => {
            const timer = setTimeout(() => end(), ms);
            const end = () => {
              clearTimeout(timer);
              signal.removeEventListener("abort", end);
              resolve();
            };
            wakes.add(end);
            signal.addEventListener("abort", end);
          }),
        leave: () => void state.followers--,
      };
    },
  };
  return {
    ...{ pages, tail, state },
    commit(...more: FeedRow[]) {
      rows.push(...more);
      wakeAll();
    },
    fail(failure: AppError | null) {
      state.failure = failure;
      wakeAll();
    },
    close() {
      state.isClosing = true;
      wakeAll();
    },
  };
}

interface StreamOptions {
  after?: FeedPlace | null;
  kinds?: PageRequest["kinds"];
  showing?: Showing;
  random?: number;
}

/** Reads the stream as a browser would, as far as the fake clock lets it. */
function open(
  feed: ReturnType<typeof feedOf>,
  { after = null, random = 0.5, ...options }: StreamOptions = {},
) {
  const leaving = new AbortController();
  const request = { after, kinds: new Set(KINDS), showing: null, asker: OURSELVES, ...options };
  const stream = changeEvents({ ...feed, random: () => random }, request, leaving.signal);
  const seen: { event: string; id: string | undefined; data: Record<string, unknown> }[] = [];
  const texts: string[] = [];
  const end = { done: false, error: null as unknown };
  void (async () => {
    for await (const chunk of stream) {
      texts.push(String(chunk));
      for (const block of String(chunk)
        .split("\n\n")
        .filter((text) => text.startsWith("event:"))) {
        const fields = Object.fromEntries(
          block
            .split("\n")
            .map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]),
        );
        seen.push({ event: fields.event ?? "", id: fields.id, data: JSON.parse(fields.data ?? "") });
      }
    }
  })()
    .catch((error) => {
      end.error = error;
    })
    .finally(() => {
      end.done = true;
    });
  return { seen, texts, end, leave: () => leaving.abort() };
}

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

describe("the feed as server-sent events", () => {
  test("begins with a comment, then tells each change with its cursor as id, those to come too", async () => {
    const feed = feedOf(rowAt(1), rowAt(2, "organization.deleted"));
    const { seen, texts } = open(feed, { after: { position: 1, atMs: 10 } });
    await pass(0);
    expect(texts[0]).toMatch(/^: /);
    expect(seen).toEqual([
      {
        event: "change",
        id: cursorOf(rowAt(2)),
        data: { cursor: cursorOf(rowAt(2)), type: "organization.deleted", id: "id_2", version: 2, at: 20 },
      },
    ]);
    feed.commit(rowAt(3));
    await pass(0);
    expect(seen.map(({ id }) => id)).toEqual([cursorOf(rowAt(2)), cursorOf(rowAt(3))]);
  });

  test("bookmarks every 15 seconds, so that a reader of one kind moves on too", async () => {
    const feed = feedOf(rowAt(1));
    const { seen } = open(feed, { kinds: new Set(["membership"]) });
    await pass(14_900);
    expect(seen).toEqual([]);
    feed.commit(rowAt(2));
    await pass(200);
    expect(seen).toEqual([
      { event: "bookmark", id: cursorOf(rowAt(2)), data: { cursor: cursorOf(rowAt(2)) } },
    ]);
    await pass(30_000);
    expect(seen).toHaveLength(3);
  });

  test.each([
    [0, 270_000],
    [0.5, 300_000],
    [1, 330_000],
  ])(
    "ends by itself after five minutes, more or less (%d: %d ms), behind a last bookmark",
    async (random, lifeMs) => {
      const feed = feedOf(rowAt(1));
      const { seen, end } = open(feed, { random });
      await pass(lifeMs - 100);
      expect(end.done).toBe(false);
      feed.commit(rowAt(2));
      await pass(200);
      expect(end).toEqual({ done: true, error: null });
      expect(seen.at(-1)).toMatchObject({ event: "bookmark", id: cursorOf(rowAt(2)) });
      expect(feed.state.followers).toBe(0);
    },
  );

  test("resets its reader when the place is lost in mid-stream, and ends", async () => {
    const feed = feedOf(rowAt(1));
    const { seen, end } = open(feed);
    await pass(0);
    feed.fail(new AppError("expired", "expired", { meta: { oldest_cursor: "oldest" } }));
    await pass(0);
    expect(seen.at(-1)).toEqual({ event: "reset", id: undefined, data: { oldest_cursor: "oldest" } });
    expect(end).toEqual({ done: true, error: null });
    expect(feed.state.followers).toBe(0);
  });

  test("is refused before it begins when the place was lost already", async () => {
    const feed = feedOf(rowAt(1));
    const failure = new AppError("expired", "expired");
    feed.fail(failure);
    const { texts, end } = open(feed);
    await pass(0);
    expect(texts).toEqual([]);
    expect(end.error).toBe(failure);
    expect(feed.state.followers).toBe(0);
  });

  test("outlives a database that is away for a while, and goes on where it was", async () => {
    const feed = feedOf(rowAt(1));
    const { seen, texts, end } = open(feed);
    await pass(0);
    feed.fail(new AppError("database_unavailable", "away"));
    await pass(2500);
    expect(texts.at(-1)).toMatch(/^: /);
    feed.fail(null);
    feed.commit(rowAt(2));
    await pass(1000);
    expect(seen.map(({ id }) => id)).toEqual([cursorOf(rowAt(1)), cursorOf(rowAt(2))]);
    expect(end.done).toBe(false);
  });

  test("fails by what is a bug", async () => {
    const feed = feedOf(rowAt(1));
    const { end } = open(feed);
    await pass(0);
    const bug = new AppError("not_found", "impossible");
    feed.fail(bug);
    await pass(0);
    expect(end).toEqual({ done: true, error: bug });
  });

  test("ends when the process does, and when its reader has gone", async () => {
    const feed = feedOf(rowAt(1));
    const one = open(feed);
    const other = open(feed);
    await pass(0);
    one.leave();
    await pass(0);
    expect(one.end.done).toBe(true);
    expect(other.end.done).toBe(false);
    feed.close();
    await pass(0);
    expect(other.end).toEqual({ done: true, error: null });
    expect(feed.state.followers).toBe(0);
  });

  test("shows objects as they are now, a few at a time, and none behind a deletion", async () => {
    const asked: number[] = [];
    const objects = {
      async read(names: readonly { id: string }[]) {
        asked.push(names.length);
        return names.map(({ id }) => (id === "id_1" ? null : Buffer.from(JSON.stringify({ of: id }))));
      },
    };
    const rows = Array.from({ length: 70 }, (_, n) => rowAt(n + 1));
    const feed = feedOf(...rows, rowAt(71, "user.deleted"));
    const { seen } = open(feed, { showing: { objects, view: { privateMetadata: false } } });
    await pass(0);
    expect(asked).toEqual([32, 32, 6]);
    expect(seen.map(({ data }) => data.object)).toEqual([
      null,
      ...rows.slice(1).map(({ id }) => ({ of: id })),
      null,
    ]);
  });
});
