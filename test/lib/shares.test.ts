import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Asker, createShares, type SharesOptions } from "../../src/lib/shares.js";

beforeEach(() => vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
afterEach(() => vi.useRealTimers());

const settled = () => new Promise((resolve) => setImmediate(resolve));

/** Work that begins where its key's letter is noted, and ends when the test says so. */
function scripted(options: Partial<SharesOptions> = {}) {
  const shares = createShares({ width: 1, mostWaiting: 4, longestWaitMs: 1000, ...options });
  const begun: string[] = [];
  const refused: [key: string, code: string][] = [];
  const ends: (() => void)[] = [];
  const ask = (key: string, signal?: AbortSignal) => {
    const asker: Asker = signal ? { key, signal } : { key };
    const work = () => {
      begun.push(key);
      return new Promise<void>((resolve) => ends.push(resolve));
    };
    return shares.run(asker, work).catch((error) => void refused.push([key, error.code]));
  };
  const endOne = async () => {
    ends.shift()?.();
    await settled();
  };
  return { ask, begun, refused, endOne };
}

describe("shares", () => {
  test("give each key its turn, however many of one wait", async () => {
    const { ask, begun, endOne } = scripted({ mostWaiting: 100 });
    for (let n = 0; n < 20; n++) void ask("a");
    for (let n = 0; n < 3; n++) void ask("b");
    void ask("c");
    for (let n = 0; n < 8; n++) await endOne();
    expect(begun.join("")).toBe("aabcababa");
  });

  test("keep a place for other keys where one has long work, and nobody waits beside a place for long", async () => {
    const { ask, begun, endOne } = scripted({ width: 3, mostOfOneKey: 2, mostWaiting: 100 });
    for (let n = 0; n < 5; n++) void ask("a");
    await settled();
    expect(begun.join("")).toBe("aa");
    void ask("b");
    void ask("b");
    await settled();
    expect(begun.join("")).toBe("aab");
    // Both of a's end: a and b have their turns, and all that b leaves is taken only by b.
    await endOne();
    await endOne();
    expect(begun.join("")).toBe("aabab");
    for (let n = 0; n < 4; n++) await endOne();
    expect(begun.join("")).toBe("aababaa");
  });

  test("refuse whom there is no room for, at once", async () => {
    const { ask, refused } = scripted();
    for (let n = 0; n < 7; n++) void ask("a");
    await settled();
    expect(refused).toEqual([
      ["a", "overloaded"],
      ["a", "overloaded"],
    ]);
  });

  test("take a place from the key that has most, for one that has fewer", async () => {
    const { ask, begun, refused, endOne } = scripted();
    for (let n = 0; n < 5; n++) void ask("a");
    for (let n = 0; n < 4; n++) void ask("b");
    await settled();
    expect(refused.map(([key]) => key).sort()).toEqual(["a", "a", "b", "b"]);
    for (let n = 0; n < 5; n++) await endOne();
    expect(begun.join("")).toBe("aabab");
  });

  test("refuse who has waited too long, and forget who has gone", async () => {
    const { ask, begun, refused, endOne } = scripted();
    const leaving = new AbortController();
    void ask("a");
    void ask("b", leaving.signal);
    void ask("c");
    leaving.abort();
    void ask("d", AbortSignal.abort());
    await settled();
    expect(refused.map(String).sort()).toEqual(["b,bad_request", "d,bad_request"]);
    await vi.advanceTimersByTimeAsync(1000);
    expect(refused.at(-1)).toEqual(["c", "overloaded"]);
    void ask("e");
    await endOne();
    await endOne();
    expect(begun.join("")).toBe("ae");
  });

  test("never do more at a time than their width, keep no more waiting than they may, and end whatever they take", async () => {
    const step = fc.oneof(fc.constantFrom("a", "b", "c"), fc.constant("end"), fc.constant("leave"));
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 80 }),
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 1, max: 3 }),
        async (steps, width, mostOfOneKey) => {
          const { ask, begun, refused, endOne } = scripted({ width, mostOfOneKey, mostWaiting: 5 });
          const leavers: AbortController[] = [];
          const all: Promise<void>[] = [];
          let ended = 0;
          for (const one of steps) {
            if (one === "end" && begun.length > ended) {
              await endOne();
              ended++;
            } else if (one === "leave") leavers.shift()?.abort();
            else if (one !== "end") {
              const leaving = new AbortController();
              leavers.push(leaving);
              all.push(ask(one, leaving.signal));
            }
            await settled();
            expect(begun.length - ended).toBeLessThanOrEqual(width);
            const running = begun.slice(ended);
            for (const key of "abc")
              expect(running.filter((one) => one === key).length).toBeLessThanOrEqual(mostOfOneKey);
            expect(all.length - begun.length - refused.length).toBeLessThanOrEqual(5);
            // Nobody waits beside an empty place, unless the key has all of its own.
            if (all.length > begun.length + refused.length)
              expect(running.length).toBeGreaterThanOrEqual(Math.min(width, mostOfOneKey));
          }
          for (; ended < begun.length; ended++) await endOne();
          await Promise.all(all);
          expect(begun.length + refused.length).toBe(all.length);
        },
      ),
      { numRuns: 200 },
    );
  });
});
