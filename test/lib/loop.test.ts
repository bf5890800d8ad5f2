import { getEventListeners } from "node:events";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createWakeableSleep, type LoopOptions, runLoop } from "../../src/lib/loop.js";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

/** A loop whose steps end when the test says so. */
function start(options: Partial<LoopOptions> = {}) {
  const stopping = new AbortController();
  const steps: { succeed(): void; fail(error: unknown): void }[] = [];
  const failures: Error[] = [];
  let ended = false;
  const running = runLoop({
    signal: stopping.signal,
    step: () =>
      new Promise<void>((resolve, reject) => {
        steps.push({ succeed: resolve, fail: reject });
      }),
    startsWith: "step",
    pauseMs: 1000,
    onFailure: (error) => failures.push(error),
    ...options,
  }).finally(() => {
    ended = true;
  });
  running.catch(() => {});
  return { steps, failures, running, abort: () => stopping.abort(), hasEnded: () => ended, stopping };
}

const passMs = (ms: number) => vi.advanceTimersByTimeAsync(ms);

describe("a loop", () => {
  test("steps at once, and again a pause after each step has ended, however long it took", async () => {
    const { steps, abort } = start();
    expect(steps.length).toBe(1);
    await passMs(60_000);
    expect(steps.length).toBe(1);
    steps[0]?.succeed();
    await passMs(999);
    expect(steps.length).toBe(1);
    await passMs(1);
    expect(steps.length).toBe(2);
    abort();
  });

  test("that starts with a pause steps after it", async () => {
    const { steps, abort } = start({ startsWith: "pause" });
    await passMs(999);
    expect(steps.length).toBe(0);
    await passMs(1);
    expect(steps.length).toBe(1);
    abort();
  });

  test.each(["step", "pause"] as const)(
    "that is aborted before it starts with a %s does nothing",
    async (startsWith) => {
      const signal = AbortSignal.abort();
      const { steps, running } = start({ startsWith, signal });
      await running;
      expect(steps.length).toBe(0);
      expect(vi.getTimerCount()).toBe(0);
    },
  );

  test.each(["step", "pause"] as const)(
    "ends at once when it is aborted in a pause, the first or a later one: it starts with a %s",
    async (startsWith) => {
      const { steps, running, abort, stopping } = start({ startsWith });
      steps[0]?.succeed();
      await passMs(500);
      abort();
      await running;
      expect(steps.length).toBe(startsWith === "step" ? 1 : 0);
      expect(vi.getTimerCount()).toBe(0);
      expect(getEventListeners(stopping.signal, "abort")).toEqual([]);
    },
  );

  test("tells the running step of the abort, and ends together with it", async () => {
    let told: AbortSignal | undefined;
    let end = () => {};
    const { running, abort, hasEnded } = start({
      step: (signal) => {
        told = signal;
        return new Promise<void>((resolve) => {
          end = resolve;
        });
      },
    });
    expect(told?.aborted).toBe(false);
    abort();
    expect(told?.aborted).toBe(true);
    await passMs(60_000);
    expect(hasEnded()).toBe(false);
    end();
    await running;
    expect(vi.getTimerCount()).toBe(0);
  });

  test("goes on after failures, pauses as long as their number says, and starts counting anew after a success", async () => {
    const { steps, failures, abort } = start({ pauseMs: (failed) => 100 * (failed + 1) });
    const pausesMs: number[] = [];
    for (const outcome of ["fail", "fail", "fail", "succeed", "fail"] as const) {
      const begun = steps.length;
      steps[begun - 1]?.[outcome](new Error("away"));
      let pauseMs = 0;
      for (; steps.length === begun; pauseMs += 100) await passMs(100);
      pausesMs.push(pauseMs);
    }
    expect(pausesMs).toEqual([200, 300, 400, 100, 200]);
    expect(failures.map(({ message }) => message)).toEqual(["away", "away", "away", "away"]);
    abort();
  });

  test("tells of what is thrown before a step returns, and of what is no Error", async () => {
    const { failures, running, abort } = start({
      step: () => {
        throw "a text";
      },
    });
    await passMs(1000);
    expect(failures).toEqual([new Error("a text"), new Error("a text")]);
    abort();
    await running;
  });

  test("says nothing of a step that fails after the abort", async () => {
    const { steps, failures, running, abort } = start();
    abort();
    steps[0]?.fail(new Error("aborted"));
    await running;
    expect(failures).toEqual([]);
  });

  test("whose steps must not fail rejects with the failure, and steps no more", async () => {
    const stopping = new AbortController();
    const step = vi.fn(async () => {
      throw new Error("a bug");
    });
    const running = runLoop({ signal: stopping.signal, step, startsWith: "step", pauseMs: 1000 });
    await expect(running).rejects.toThrow("a bug");
    expect(vi.getTimerCount()).toBe(0);
    expect(step).toHaveBeenCalledTimes(1);
  });
});

describe("a wakeable sleep", () => {
  const signal = new AbortController().signal;

  test("ends after its time, and not before", async () => {
    let ended = false;
    void createWakeableSleep()
      .sleep(1000, signal)
      .then(() => {
        ended = true;
      });
    await passMs(999);
    expect(ended).toBe(false);
    await passMs(1);
    expect(ended).toBe(true);
  });

  test("ends at once when it is woken, and leaves no timer", async () => {
    const pause = createWakeableSleep();
    const sleeping = pause.sleep(1000, signal);
    pause.wake();
    await sleeping;
    expect(vi.getTimerCount()).toBe(0);
  });

  test("isn't cut short by having been woken before it began", async () => {
    const pause = createWakeableSleep();
    pause.wake();
    const first = pause.sleep(1000, signal);
    pause.wake();
    await first;
    pause.wake();
    let ended = false;
    void pause.sleep(1000, signal).then(() => {
      ended = true;
    });
    await passMs(999);
    expect(ended).toBe(false);
    await passMs(1);
    expect(ended).toBe(true);
  });

  test("ends at once when the signal aborts, before or while it sleeps, and never rejects", async () => {
    const stopping = new AbortController();
    const pause = createWakeableSleep();
    const sleeping = pause.sleep(1000, stopping.signal);
    stopping.abort();
    await sleeping;
    await pause.sleep(1000, stopping.signal);
    expect(vi.getTimerCount()).toBe(0);
    expect(getEventListeners(stopping.signal, "abort")).toEqual([]);
  });

  test("takes a time that has passed for none", async () => {
    const sleeping = createWakeableSleep().sleep(-5, signal);
    await passMs(1);
    await sleeping;
  });
});
