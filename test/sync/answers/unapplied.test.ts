import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { silentLogger } from "../../../src/observability/logger.js";
import { createUnapplied } from "../../../src/sync/answers/unapplied.js";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

test("what can't be applied is tried again less and less often, and often again once it could", async () => {
  const unapplied = createUnapplied(silentLogger());
  const stopping = new AbortController();
  const running = unapplied.run(stopping.signal);
  let fails = true;
  let attempts = 0;
  const work = async () => {
    attempts++;
    if (fails) throw new Error("Clerk answered 429");
  };
  unapplied.keep(["user_1"], work);
  await vi.advanceTimersByTimeAsync(300_000);
  expect(attempts).toBeGreaterThan(8);
  expect(attempts).toBeLessThan(40);
  expect(unapplied.concerns("user_1")).toBe(true);

  fails = false;
  await vi.advanceTimersByTimeAsync(30_000);
  expect(unapplied.concerns("user_1")).toBe(false);
  unapplied.keep(["user_2"], work);
  await vi.advanceTimersByTimeAsync(500);
  expect(unapplied.concerns("user_2")).toBe(false);
  stopping.abort();
  await running;
});

test("holds on to no more bytes than it may: the oldest are given up", () => {
  const unapplied = createUnapplied(silentLogger());
  const work = async () => {};
  const quarter = 16 * 1024 * 1024;
  for (const id of ["a", "b", "c", "d"]) unapplied.keep([id, "shared"], work, quarter);
  expect(unapplied.concerns("a")).toBe(true);
  unapplied.keep(["e"], work, quarter);
  expect(["a", "b", "e", "shared"].map(unapplied.concerns)).toEqual([false, true, true, true]);
  // What is larger than all that may be kept is kept alone.
  unapplied.keep(["f"], work, 8 * quarter);
  expect(["b", "e", "shared", "f"].map(unapplied.concerns)).toEqual([false, false, false, true]);
});

test("holds on to no more writes than it may, however many users each names", () => {
  const unapplied = createUnapplied(silentLogger());
  for (let n = 0; n < 1001; n++) unapplied.keep([`user_${n}`, `user_${n}`], async () => {});
  expect(["user_0", "user_1", "user_1000"].map(unapplied.concerns)).toEqual([false, true, true]);
});
