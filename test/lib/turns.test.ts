import { expect, test } from "vitest";
import { createPause, nextTurn } from "../../src/lib/turns.js";

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
