import fc from "fast-check";
import { expect, test } from "vitest";
import { createPointReads } from "../../src/query/point-reads.js";

/** A table that is read when the test says so. */
function scripted() {
  const runs: {
    keys: readonly string[];
    end: (found?: Map<string, string>) => void;
    fail: (error: Error) => void;
  }[] = [];
  const read = createPointReads<string>(
    (keys) =>
      new Promise((resolve, reject) => {
        runs.push({ keys, end: (found = new Map()) => resolve(found), fail: reject });
      }),
  );
  return { read, runs };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test("the first goes at once, and those who come meanwhile go together, each key once", async () => {
  const { read, runs } = scripted();
  const first = read("a");
  const others = ["b", "c", "b", "a"].map(read);
  expect(runs.map(({ keys }) => keys)).toEqual([["a"]]);
  runs[0]?.end(new Map([["a", "old"]]));
  expect(await first).toBe("old");
  await settled();
  expect(runs[1]?.keys).toEqual(["b", "c", "a"]);
  runs[1]?.end(
    new Map([
      ["a", "new"],
      ["b", "B"],
    ]),
  );
  // Who asked for `a` after the first run had begun isn't given what that run had read.
  expect(await Promise.all(others)).toEqual(["B", null, "B", "new"]);
});

test("a run that fails fails those in it, and not those behind it", async () => {
  const { read, runs } = scripted();
  const first = read("a");
  const second = read("a");
  runs[0]?.fail(new Error("gone"));
  await expect(first).rejects.toThrow("gone");
  await settled();
  runs[1]?.end(new Map([["a", "A"]]));
  expect(await second).toBe("A");
});

test("whoever asks gets what was there at some moment after he asked", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.constantFrom("read", "write", "end"), { maxLength: 60 }), async (steps) => {
      let version = 0;
      const { read, runs } = scripted();
      const asked: { atVersion: number; got: Promise<string | null> }[] = [];
      let ended = 0;
      const begunWith: number[] = [];
      const endOne = async () => {
        const run = runs[ended];
        if (!run) return;
        run.end(new Map([["a", String(begunWith[ended])]]));
        ended++;
        await settled();
      };
      const note = () => {
        while (begunWith.length < runs.length) begunWith.push(version);
      };
      for (const step of steps) {
        if (step === "write") version++;
        else if (step === "read") asked.push({ atVersion: version, got: read("a") });
        else await endOne();
        note();
      }
      while (ended < runs.length) {
        await endOne();
        note();
      }
      for (const { atVersion, got } of asked) expect(Number(await got)).toBeGreaterThanOrEqual(atVersion);
    }),
  );
});
