import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  createLocalQuotaStore,
  createRequestQueue,
  type LocalLimits,
  PRIORITIES,
  type Priority,
  type RequestQueue,
} from "../../src/upstream/request-queue.js";

beforeEach(() => vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] }));
afterEach(() => vi.useRealTimers());

const localQueue = (limits: LocalLimits) => createRequestQueue(createLocalQuotaStore(limits));

/** Who started, and when. */
function recorder(queue: RequestQueue) {
  const starts: { atMs: number; priority: Priority }[] = [];
  return {
    starts,
    take: (priority: Priority, signal?: AbortSignal) =>
      queue.take(priority, signal).then(() => {
        starts.push({ atMs: performance.now(), priority });
      }),
  };
}

const isBackground = (priority: Priority) => priority !== "caller" && priority !== "read";

describe("a budget", () => {
  test("never starts more than its limit in any window, background no more than its share, and forgets nobody", async () => {
    const arrivals = fc.array(
      fc.record({ afterMs: fc.integer({ min: 0, max: 900 }), priority: fc.constantFrom(...PRIORITIES) }),
      { minLength: 1, maxLength: 60 },
    );
    const settings = fc.record({
      limit: fc.integer({ min: 1, max: 8 }),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    await fc.assert(
      fc.asyncProperty(arrivals, settings, async (asked, { limit, share }) => {
        const windowMs = 1000;
        const { starts, take } = recorder(localQueue({ limit, backgroundShare: share, windowMs }));
        const all: Promise<void>[] = [];
        for (const { afterMs, priority } of asked) {
          await vi.advanceTimersByTimeAsync(afterMs);
          all.push(take(priority));
        }
        await vi.advanceTimersByTimeAsync((asked.length + 1) * windowMs * 1.03);
        await Promise.all(all);
        expect(starts).toHaveLength(asked.length);
        for (const { atMs } of starts) {
          const within = starts.filter((other) => other.atMs >= atMs && other.atMs < atMs + windowMs);
          expect(within.length).toBeLessThanOrEqual(limit);
          const background = within.filter(({ priority }) => isBackground(priority)).length;
          expect(background).toBeLessThanOrEqual(Math.max(1, Math.floor(limit * share)));
        }
      }),
      { numRuns: 200 },
    );
  });

  test("lets the more urgent go first, and among equals who came first", async () => {
    const { starts, take } = recorder(localQueue({ limit: 1, backgroundShare: 1, windowMs: 1000 }));
    await take("caller");
    const waiting = (["walk", "repair", "caller", "read", "refetch", "caller"] as const).map((one) =>
      take(one),
    );
    await vi.advanceTimersByTimeAsync(7000);
    await Promise.all(waiting);
    expect(starts.map(({ priority }) => priority).slice(1)).toEqual([
      ...["caller", "caller", "read", "refetch", "repair", "walk"],
    ]);
  });

  test("starts nothing of the background during a pause, and goes on by itself after it; who is waited for goes on", async () => {
    const queue = localQueue({ limit: 10, backgroundShare: 1 });
    const { starts, take } = recorder(queue);
    queue.pause(3000);
    const begun = performance.now();
    const all = PRIORITIES.map((priority) => take(priority));
    await vi.advanceTimersByTimeAsync(2999);
    expect(starts.map(({ priority }) => priority)).toEqual(["caller", "read"]);
    await vi.advanceTimersByTimeAsync(2000);
    await Promise.all(all);
    expect(starts.slice(2).every(({ atMs }) => atMs - begun >= 3000)).toBe(true);
  });

  test.each([3_600_000, 1e23, Number.POSITIVE_INFINITY])(
    "pauses for a minute at most, whatever is asked for (%d ms)",
    async (ms) => {
      const queue = localQueue({ limit: 10, backgroundShare: 1 });
      const { starts, take } = recorder(queue);
      queue.pause(ms);
      const walk = take("walk");
      await vi.advanceTimersByTimeAsync(59_000);
      expect(starts).toEqual([]);
      await vi.advanceTimersByTimeAsync(2000);
      await walk;
    },
  );

  test("who gives up leaves the queue, rejects with the reason, and costs nothing", async () => {
    const { starts, take } = recorder(localQueue({ limit: 1, backgroundShare: 1, windowMs: 1000 }));
    await take("caller");
    const leaving = new AbortController();
    const left = take("caller", leaving.signal);
    const stays = take("walk");
    leaving.abort(new Error("gave up"));
    await expect(left).rejects.toThrow("gave up");
    await vi.advanceTimersByTimeAsync(1500);
    await stays;
    expect(starts.map(({ priority }) => priority)).toEqual(["caller", "walk"]);
    await expect(take("walk", AbortSignal.abort(new Error("never came")))).rejects.toThrow("never came");
  });

  test("starts less of the background for a while after a pause, and all of it again later", async () => {
    const queue = localQueue({ limit: 10, backgroundShare: 1, windowMs: 1000 });
    const { starts, take } = recorder(queue);
    queue.pause(1000);
    queue.pause(1000);
    const all = Array.from({ length: 14 }, () => take("walk"));
    await vi.advanceTimersByTimeAsync(1500);
    expect(starts).toHaveLength(7);
    await vi.advanceTimersByTimeAsync(1000);
    await Promise.all(all);
    await vi.advanceTimersByTimeAsync(120_000);
    const more = Array.from({ length: 10 }, () => take("walk"));
    await vi.advanceTimersByTimeAsync(1);
    expect(starts).toHaveLength(24);
    await Promise.all(more);
  });

  test("asks once for all who wait, and uses no grant that came too late", async () => {
    const asked: number[] = [];
    const queue = createRequestQueue({
      spend: async ({ urgent }) => {
        asked.push(urgent);
        // The first answer takes longer than a grant is good for.
        if (asked.length === 1) await new Promise((resolve) => setTimeout(resolve, 1500));
        return { granted: { urgent, background: 0 }, retryMs: null };
      },
      pause: async () => {},
    });
    const { starts, take } = recorder(queue);
    const all = Array.from({ length: 5 }, () => take("caller"));
    await vi.advanceTimersByTimeAsync(1400);
    expect(starts).toEqual([]);
    await vi.advanceTimersByTimeAsync(200);
    await Promise.all(all);
    expect(asked).toEqual([1, 5]);
  });

  test("lets keys read in turn, tells at once whoever has had his share, and writes go first", async () => {
    const store = createLocalQuotaStore({
      limit: 10,
      backgroundShare: 1,
      readShare: 0.5,
      windowMs: 10_000,
    });
    const queue = createRequestQueue(store, { readers: { mostPerKey: 4, windowMs: 10_000 } });
    const begun: string[] = [];
    const refused: string[] = [];
    const read = (key: string) =>
      queue.take("read", undefined, key).then(
        () => begun.push(key),
        (error) => refused.push(`${key} ${error.code}`),
      );
    for (let n = 0; n < 7; n++) void read("a");
    await vi.advanceTimersByTimeAsync(1);
    expect(begun.join("")).toBe("aaaa");
    expect(refused).toEqual(Array.from({ length: 3 }, () => "a rate_limited"));
    for (const key of ["b", "b", "c"]) void read(key);
    await vi.advanceTimersByTimeAsync(1);
    // Its share of reads is spent, and half of the limit is left to those who write.
    expect(begun.join("")).toBe("aaaab");
    for (let n = 0; n < 5; n++) await queue.take("caller");
    await vi.advanceTimersByTimeAsync(11_000);
    expect(begun.join("")).toBe("aaaabcb");
  });

  test("keeps a hundred reads waiting at most, and fifty of a key", async () => {
    const queue = createRequestQueue({ spend: () => new Promise(() => {}), pause: async () => {} });
    const refused = new Map<string, number>();
    for (const key of ["a", "b", "c"]) {
      for (let n = 0; n < 60; n++) {
        queue.take("read", undefined, key).catch(() => refused.set(key, (refused.get(key) ?? 0) + 1));
      }
    }
    await vi.advanceTimersByTimeAsync(1);
    expect(Object.fromEntries(refused)).toEqual({ a: 10, b: 10, c: 60 });
  });
});
