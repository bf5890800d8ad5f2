import fc from "fast-check";
import { expect, test } from "vitest";
import { createPointReads } from "../../src/lib/point-reads.js";

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

test("two go at once, and those who come meanwhile go together, each key once", async () => {
  const { read, runs } = scripted();
  const first = ["a", "z"].map(read);
  const others = ["b", "c", "b", "a"].map(read);
  expect(runs.map(({ keys }) => keys)).toEqual([["a"], ["z"]]);
  runs[0]?.end(new Map([["a", "old"]]));
  expect(await first[0]).toBe("old");
  await settled();
  expect(runs[2]?.keys).toEqual(["b", "c", "a"]);
  runs[2]?.end(
    new Map([
      ["a", "new"],
      ["b", "B"],
    ]),
  );
  // Who asked for `a` after the first run had begun isn't given what that run had read.
  expect(await Promise.all(others)).toEqual(["B", null, "B", "new"]);
});

test("a run takes 32 at most, so that the other has its share", async () => {
  const { read, runs } = scripted();
  for (let n = 0; n < 2 + 64; n++) void read(String(n));
  for (const run of [...runs]) run.end();
  await settled();
  expect(runs.map(({ keys }) => keys.length)).toEqual([1, 1, 32, 32]);
});

test("a run that fails fails those in it, and not those behind it", async () => {
  const { read, runs } = scripted();
  const first = read("a");
  const other = read("b");
  const behind = read("a");
  runs[0]?.fail(new Error("gone"));
  await expect(first).rejects.toThrow("gone");
  await settled();
  runs[2]?.end(new Map([["a", "A"]]));
  runs[1]?.end();
  expect([await other, await behind]).toEqual([null, "A"]);
});

test("whoever asks gets what was there at some moment after he asked", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom("read", "write", "end", "end the later"), { maxLength: 60 }),
      async (steps) => {
        let version = 0;
        const { read, runs } = scripted();
        const asked: { atVersion: number; got: Promise<string | null> }[] = [];
        const open = new Set<number>();
        const begunWith: number[] = [];
        const endOne = async (which: 0 | -1) => {
          const index = [...open].at(which);
          if (index === undefined) return;
          open.delete(index);
          runs[index]?.end(new Map([["a", String(begunWith[index])]]));
          await settled();
        };
        const note = () => {
          while (begunWith.length < runs.length) {
            open.add(begunWith.length);
            begunWith.push(version);
          }
        };
        for (const step of steps) {
          if (step === "write") version++;
          else if (step === "read") asked.push({ atVersion: version, got: read("a") });
          else await endOne(step === "end" ? 0 : -1);
          note();
        }
        while (open.size > 0) {
          await endOne(0);
          note();
        }
        for (const { atVersion, got } of asked) expect(Number(await got)).toBeGreaterThanOrEqual(atVersion);
      },
    ),
  );
});
