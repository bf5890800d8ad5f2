import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type Service, startServices } from "../../src/runtime/services.js";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const untilAborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));

const obedient: Service = { name: "obedient", run: untilAborted };
const deaf = (name: string): Service => ({ name, run: () => new Promise<never>(() => {}) });

test("services run from the start, and stopping waits until each has ended", async () => {
  const seen: string[] = [];
  let finish = () => {};
  const slow: Service = {
    name: "slow",
    async run(signal) {
      seen.push("started");
      await untilAborted(signal);
      seen.push("told to end");
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
      seen.push("ended");
    },
  };
  const services = startServices([obedient, slow]);
  expect(seen).toEqual(["started"]);
  const stopping = services.stop(1000).then((late) => {
    seen.push("stopped");
    return late;
  });
  await vi.advanceTimersByTimeAsync(999);
  expect(seen).toEqual(["started", "told to end"]);
  finish();
  expect(await stopping).toEqual([]);
  expect(seen).toEqual(["started", "told to end", "ended", "stopped"]);
  expect(vi.getTimerCount()).toBe(0);
});

test("stopping names the services that have not ended in time, and waits for them no longer", async () => {
  const services = startServices([deaf("first"), obedient, deaf("second")]);
  const stopping = services.stop(1000);
  await vi.advanceTimersByTimeAsync(1000);
  expect(await stopping).toEqual(["first", "second"]);
});

test("a service that fails while it ends fails the stop", async () => {
  const failing: Service = {
    name: "failing",
    async run(signal) {
      await untilAborted(signal);
      throw new Error("a bug");
    },
  };
  await expect(startServices([obedient, failing]).stop(1000)).rejects.toThrow("a bug");
  expect(vi.getTimerCount()).toBe(0);
});

test("a dozen services that wait for the same end are no leak to Node", async () => {
  const warnings: Error[] = [];
  const note = (warning: Error) => warnings.push(warning);
  process.on("warning", note);
  vi.useRealTimers();
  try {
    const services = startServices(Array.from({ length: 12 }, (_, n) => ({ ...obedient, name: `${n}` })));
    expect(await services.stop(1000)).toEqual([]);
    // Node tells of warnings in a turn of their own.
    await new Promise((resolve) => setImmediate(resolve));
    expect(warnings).toEqual([]);
  } finally {
    process.off("warning", note);
  }
});
