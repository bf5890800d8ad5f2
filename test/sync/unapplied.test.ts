import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { silentLogger } from "../../src/observability/logger.js";
import { createUnapplied } from "../../src/sync/unapplied.js";

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
