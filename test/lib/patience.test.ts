import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createPatience } from "../../src/lib/patience.js";

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "performance"] }));
afterEach(() => void vi.useRealTimers());

/** Those who were late, with the time at which they were told. */
function waiters(ms: number) {
  const startMs = performance.now();
  const late: [string, number][] = [];
  const patience = createPatience<{ name: string }>(ms, ({ name }) =>
    late.push([name, Math.round(performance.now() - startMs)]),
  );
  return { late, patience, named: (name: string) => ({ name }) };
}

test("each is late when its own time is over, and only once", () => {
  const { late, patience, named } = waiters(100);
  patience.begin(named("a"));
  vi.advanceTimersByTime(30);
  patience.begin(named("b"));
  patience.begin(named("c"));
  vi.advanceTimersByTime(1000);
  patience.begin(named("d"));
  vi.advanceTimersByTime(1000);
  expect(late.map(([name]) => name)).toEqual(["a", "b", "c", "d"]);
  for (const [index, dueMs] of [100, 130, 130, 1130].entries()) {
    expect((late[index]?.[1] ?? 0) - dueMs).toBeGreaterThanOrEqual(0);
    expect((late[index]?.[1] ?? 0) - dueMs).toBeLessThanOrEqual(2);
  }
});

test("who has ended isn't late, and keeps nobody else from being it", () => {
  const { late, patience, named } = waiters(100);
  const [a, b] = [named("a"), named("b")];
  patience.begin(a);
  vi.advanceTimersByTime(50);
  patience.begin(b);
  patience.end(a);
  vi.advanceTimersByTime(60);
  expect(late).toEqual([]);
  vi.advanceTimersByTime(60);
  expect(late.map(([name]) => name)).toEqual(["b"]);
});

test("however many wait, there is one timer", () => {
  const { patience, named } = waiters(100);
  for (let n = 0; n < 1000; n++) patience.begin(named(String(n)));
  expect(vi.getTimerCount()).toBe(1);
});
