import { expect, test } from "vitest";
import { createPause, nextTurn, othersFirst } from "../../src/lib/turns.js";

test("of many who wait for a turn, each gets one of its own, in their order", async () => {
  let turn = 0;
  let counting = true;
  const count = () => {
    turn++;
    if (counting) setImmediate(count);
  };
  setImmediate(count);
  const got: [string, number][] = [];
  const all = ["first", "second", "third"].map((name) => nextTurn().then(() => got.push([name, turn])));
  await Promise.all(all);
  counting = false;
  expect(got.map(([name]) => name)).toEqual(["first", "second", "third"]);
  expect(new Set(got.map(([, at]) => at)).size).toBe(3);
});

test("a pause lets nobody in before the part has taken its time, and somebody afterwards", async () => {
  expect(createPause(60_000)()).toBeUndefined();
  let others = 0;
  setImmediate(() => others++);
  const pause = createPause(0);
  await pause();
  expect(others).toBe(1);
});

/** Work of others that fills a turn, so many times; it ends when `mayGoOn` says no. */
function busyTurns(turns: number, mayGoOn = () => true): { done: () => number } {
  let done = 0;
  const work = () => {
    const untilMs = performance.now() + 2;
    while (performance.now() < untilMs);
    done++;
    if (done < turns && mayGoOn()) setImmediate(work);
  };
  setImmediate(work);
  return { done: () => done };
}

test("what lets others go first waits until they have done what they had", async () => {
  const others = busyTurns(20);
  await othersFirst(60_000);
  expect(others.done()).toBe(20);
});

test("what lets others go first goes on at last where they never have done", async () => {
  let isWaiting = true;
  const others = busyTurns(Number.POSITIVE_INFINITY, () => isWaiting);
  await othersFirst(30);
  isWaiting = false;
  expect(others.done()).toBeGreaterThan(0);
});
