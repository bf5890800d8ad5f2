import { afterEach, beforeEach, describe, expect } from "vitest";
import { newestPlace } from "../../src/changes/cursor.js";
import { createFeedPages, type FeedPages, KINDS } from "../../src/changes/pages.js";
import { createFeedTail, type FeedTail } from "../../src/changes/tail.js";
import { unwatched } from "../../src/db/connection/availability.js";
import { textArray } from "../../src/db/connection/bulk.js";
import type { Sql, Tx } from "../../src/db/connection/sql.js";
import { silentLogger } from "../../src/observability/logger.js";
import { test } from "../support/database.js";

const ALL = { kinds: new Set(KINDS), limit: 500 };
const FOR_EVER_MS = 60_000;

let stop: () => Promise<void> = async () => {};
/** Of the tails of one test: those of the one before may still be reading. */
let ofTest: { reads: number };
let isHearing: boolean;
/** A caller who stays. */
const staying = () => new AbortController().signal;
beforeEach(() => {
  ofTest = { reads: 0 };
  isHearing = true;
});
afterEach(() => stop());

/** A tail that is told of nothing unless the test does it, and counts what it reads. */
function tailOf(sql: Sql, mostRows?: number): { tail: FeedTail; pages: FeedPages } {
  const counted = ofTest;
  const real = createFeedPages({
    ...{ sql, availability: unwatched, nowMs: () => Date.now(), retentionMs: 3_600_000 },
  });
  const pages: FeedPages = {
    newest: real.newest,
    recent: real.recent,
    after(...request) {
      counted.reads++;
      return real.after(...request);
    },
  };
  const tail = createFeedTail({
    ...{ pages, isHearing: () => isHearing, log: silentLogger() },
    ...(mostRows !== undefined && { mostRows }),
  });
  const stopped = new AbortController();
  const running = tail.run(stopped.signal);
  stop = async () => {
    stopped.abort();
    await running;
  };
  return { tail, pages };
}

const commit = (sql: Sql | Tx, ...ids: string[]) => sql`
  insert into mirror_data.changes (type, id, version, at)
  select 'user.upserted', id, 1, ${Date.now()} from unnest(${textArray(ids)}::text::text[]) as id`;

describe("the tail of the feed", () => {
  test("wakes all who wait with one read, and has the rows for all of them", async ({ db }) => {
    await commit(db.sql, "before");
    const { tail } = tailOf(db.sql);
    const place = await newestPlace(db.sql);
    const followers = Array.from({ length: 50 }, () => tail.follow());
    const waits = followers.map((follower) => follower.wait(place, FOR_EVER_MS, staying()));
    await expect.poll(() => ofTest.reads).toBe(1);
    await commit(db.sql, "a", "b");
    tail.notice();
    await Promise.all(waits);
    expect(ofTest.reads).toBe(2);
    for (const follower of followers) {
      const page = follower.read(place, ALL);
      expect(page?.rows.map(({ id }) => id)).toEqual(["a", "b"]);
      expect(page).toMatchObject({ hasMore: false, end: await newestPlace(db.sql) });
      expect(follower.read(place, { ...ALL, limit: 1 })).toMatchObject({
        rows: [{ id: "a" }],
        hasMore: true,
      });
      expect(follower.read(place, { kinds: new Set(["membership"]), limit: 1 })).toMatchObject({
        ...{ rows: [], hasMore: false, end: page?.end },
      });
    }
    expect(ofTest.reads).toBe(2);
  });

  test("misses nothing that is committed between a reader's own look and its wait", async ({ db }) => {
    const { tail } = tailOf(db.sql);
    const first = tail.follow();
    await first.wait(await newestPlace(db.sql), 1, staying());
    const place = await newestPlace(db.sql);
    await commit(db.sql, "between");
    tail.notice();
    const second = tail.follow();
    await second.wait(place, FOR_EVER_MS, staying());
    await expect.poll(() => second.read(place, ALL)?.rows.map(({ id }) => id)).toEqual(["between"]);
  });

  test("reads once a second while commits aren't heard of", async ({ db }) => {
    isHearing = false;
    const { tail } = tailOf(db.sql);
    const follower = tail.follow();
    const place = await newestPlace(db.sql);
    const wait = follower.wait(place, FOR_EVER_MS, staying());
    await expect.poll(() => ofTest.reads).toBeGreaterThan(0);
    await commit(db.sql, "unheard");
    await wait;
    expect(follower.read(place, ALL)?.rows).toHaveLength(1);
  });

  test("reads nothing for nobody", async ({ db }) => {
    const { tail } = tailOf(db.sql);
    tail.follow().leave();
    isHearing = false;
    tail.notice();
    const follower = tail.follow();
    follower.leave();
    expect(ofTest.reads).toBe(0);
    expect(follower.read(await newestPlace(db.sql), ALL)).toBeNull();
  });

  test("sends those who are further behind than it reaches to the database", async ({ db }) => {
    const { tail, pages } = tailOf(db.sql, 3);
    const follower = tail.follow();
    const start = await newestPlace(db.sql);
    const wait = follower.wait(start, FOR_EVER_MS, staying());
    await expect.poll(() => ofTest.reads).toBe(1);
    await commit(db.sql, "a", "b", "c", "d", "e");
    tail.notice();
    await wait;
    expect(follower.read(start, ALL)).toBeNull();
    const own = await pages.after(start, { ...ALL, limit: 2 });
    expect(follower.read(own.end, ALL)?.rows.map(({ id }) => id)).toEqual(["c", "d", "e"]);
  });

  test("is forgotten when the feed isn't the one it knew, and everybody looks for himself", async ({
    db,
  }) => {
    await commit(db.sql, "a");
    const { tail } = tailOf(db.sql);
    const follower = tail.follow();
    const place = await newestPlace(db.sql);
    const wait = follower.wait(place, FOR_EVER_MS, staying());
    await expect.poll(() => ofTest.reads).toBe(1);
    await db.sql`truncate mirror_data.changes`;
    tail.notice();
    await wait;
    expect(follower.read(place, ALL)).toBeNull();
  });

  test("lets everybody go when a caller leaves, when the time is over, and when the process ends", async ({
    db,
  }) => {
    const { tail } = tailOf(db.sql);
    const follower = tail.follow();
    const place = await newestPlace(db.sql);
    const leaving = new AbortController();
    const left = follower.wait(place, FOR_EVER_MS, leaving.signal);
    leaving.abort();
    await left;
    await follower.wait(place, 1, staying());
    const wait = follower.wait(place, FOR_EVER_MS, staying());
    expect(tail.isClosing()).toBe(false);
    await stop();
    await wait;
    expect(tail.isClosing()).toBe(true);
    await follower.wait(place, FOR_EVER_MS, staying());
  });

  test("recovers from a read that failed", async ({ db }) => {
    const { tail } = tailOf(db.sql);
    const follower = tail.follow();
    const place = await newestPlace(db.sql);
    const wait = follower.wait(place, FOR_EVER_MS, staying());
    await expect.poll(() => ofTest.reads).toBe(1);
    await db.sql`alter table mirror_data.changes rename to away`;
    tail.notice();
    await expect.poll(() => ofTest.reads).toBeGreaterThan(1);
    // In one transaction: nothing tells of a row that came after the next read had found nothing.
    await db.sql.begin(async (tx) => {
      await tx`alter table mirror_data.away rename to changes`;
      await commit(tx, "late");
    });
    await wait;
    expect(follower.read(place, ALL)?.rows).toHaveLength(1);
  });
});
