import { afterEach, describe, expect, test } from "vitest";
import { createGroupCommit } from "../../../src/sync/webhooks/group-commit.js";

/** What is still held at the end of a test is let go: it would be refused for its lateness while others run. */
const endings: (() => void)[] = [];
afterEach(() => {
  for (const end of endings.splice(0)) end();
});

/** A commit that the test lets go when it wants to, and the batches that were handed to it. */
function heldCommit() {
  const batches: number[][] = [];
  const releases: (() => void)[] = [];
  let isOver = false;
  endings.push(() => {
    isOver = true;
    for (const release of releases.splice(0)) release();
  });
  const commit = (batch: readonly number[]) => {
    batches.push([...batch]);
    return new Promise<string[]>((resolve) => {
      releases.push(() => resolve(batch.map((n) => `done ${n}`)));
      if (isOver) releases.shift()?.();
    });
  };
  return { batches, commit, release: () => releases.shift()?.() };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe("group commit", () => {
  test("commits one alone at once, and what gathers meanwhile together", async () => {
    const { batches, commit, release } = heldCommit();
    const group = createGroupCommit({ commit, slots: 1 });
    const first = group.submit(1);
    await turn();
    const others = [2, 3, 4].map((n) => group.submit(n));
    await turn();
    expect(batches).toEqual([[1]]);
    release();
    expect(await first).toBe("done 1");
    await turn();
    expect(batches).toEqual([[1], [2, 3, 4]]);
    release();
    expect(await Promise.all(others)).toEqual(["done 2", "done 3", "done 4"]);
  });

  test("never has more batches under way than slots, nor more in one than allowed", async () => {
    const { batches, commit, release } = heldCommit();
    const group = createGroupCommit({ commit, slots: 2, mostPerBatch: 3, enough: 1 });
    const all = Promise.all([1, 2, 3, 4, 5, 6, 7].map((n) => group.submit(n)));
    await turn();
    expect(batches).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    release();
    await turn();
    expect(batches).toHaveLength(3);
    release();
    release();
    expect(await all).toHaveLength(7);
  });

  test("a failure reaches everyone in its batch, and nobody else", async () => {
    let attempts = 0;
    const group = createGroupCommit<number, number>({
      slots: 1,
      mostPerBatch: 2,
      commit: async (batch) => {
        if (++attempts === 1) throw new Error("away");
        return batch;
      },
    });
    const results = await Promise.allSettled([1, 2, 3].map((n) => group.submit(n)));
    expect(results.map(({ status }) => status)).toEqual(["rejected", "rejected", "fulfilled"]);
  });

  test("refuses more than may wait, so that the sender keeps them", async () => {
    const { commit, release } = heldCommit();
    const group = createGroupCommit({ commit, slots: 1, mostPerBatch: 1, mostWaiting: 2 });
    const taken = [group.submit(1)];
    await turn();
    taken.push(group.submit(2), group.submit(3));
    await expect(group.submit(4)).rejects.toMatchObject({ code: "database_unavailable" });
    for (let n = 0; n < 3; n++) {
      release();
      await turn();
    }
    expect(await Promise.all(taken)).toHaveLength(3);
  });

  test("puts no more bytes into a batch than allowed, but for an item that is larger by itself", async () => {
    const { batches, commit } = heldCommit();
    const group = createGroupCommit({ commit, slots: 4, mostBytesPerBatch: 100, enough: 1 });
    for (const [n, bytes] of [20, 20, 20, 20, 25, 10, 99, 500, 5].entries()) void group.submit(n, bytes);
    await turn();
    // The large, of more than a quarter, one after another; the small as many as fit.
    expect(batches).toEqual([[6], [0, 1, 2, 3], [4, 5, 8]]);
  });

  test("lets a small one pass by ten large ones", async () => {
    const { batches, commit, release } = heldCommit();
    const group = createGroupCommit({ commit, mostBytesPerBatch: 100 });
    const large = Array.from({ length: 10 }, (_, n) => group.submit(n, 90));
    await turn();
    const small = group.submit(10, 1);
    await turn();
    expect(batches).toEqual([[0], [10]]);
    for (let n = 0; n < 11; n++) {
      release();
      await turn();
    }
    expect(await small).toBe("done 10");
    expect(await Promise.all(large)).toHaveLength(10);
  });

  test("refuses what would make more bytes wait than allowed, until some have gone", async () => {
    const { commit, release } = heldCommit();
    const group = createGroupCommit({ commit, slots: 1, mostBytesPerBatch: 10, mostBytesWaiting: 20 });
    const taken = [group.submit(1, 10), group.submit(2, 10)];
    await expect(group.submit(3, 1)).rejects.toMatchObject({ code: "database_unavailable" });
    await turn();
    taken.push(group.submit(4, 10));
    for (let n = 0; n < 3; n++) {
      release();
      await turn();
    }
    expect(await Promise.all(taken)).toHaveLength(3);
  });

  test.each([
    ["as many wait as the running one has", 3, {}],
    ["enough wait", 2, { enough: 2 }],
  ])("begins a batch beside a running one when %s, and not before", async (_, enough, options) => {
    const { batches, commit } = heldCommit();
    const group = createGroupCommit({ commit, besideMs: 60_000, ...options });
    const numbers = [1, 2, 3, 4, 5, 6, 7].map((n) => n);
    for (const n of numbers.slice(0, 3)) void group.submit(n);
    await turn();
    for (let n = 4; n < 3 + enough; n++) {
      void group.submit(n);
      await turn();
    }
    expect(batches).toEqual([[1, 2, 3]]);
    void group.submit(3 + enough);
    await turn();
    expect(batches).toEqual([[1, 2, 3], numbers.slice(3, 3 + enough)]);
  });

  test("two that come alone don't wait for each other", async () => {
    const { batches, commit } = heldCommit();
    const group = createGroupCommit({ commit, besideMs: 60_000 });
    void group.submit(1);
    await turn();
    void group.submit(2);
    await turn();
    expect(batches).toEqual([[1], [2]]);
  });

  test("begins with however few when the running batch takes long", async () => {
    const { batches, commit } = heldCommit();
    const group = createGroupCommit({ commit, besideMs: 20 });
    for (const n of [1, 2, 3]) void group.submit(n);
    await turn();
    void group.submit(4);
    await expect.poll(() => batches).toEqual([[1, 2, 3], [4]]);
  });

  test("refuses what has waited too long, but for what is being committed", async () => {
    const { batches, commit, release } = heldCommit();
    const group = createGroupCommit({ commit, slots: 1, patienceMs: 20 });
    const first = group.submit(1);
    await turn();
    const others = [2, 3].map((n) => group.submit(n));
    for (const { status } of await Promise.allSettled(others)) expect(status).toBe("rejected");
    await expect(others[1]).rejects.toMatchObject({ code: "database_unavailable" });
    const late = group.submit(4);
    await expect(late).rejects.toMatchObject({ code: "database_unavailable" });
    release();
    expect(await first).toBe("done 1");
    const fresh = group.submit(5);
    await turn();
    release();
    expect(await fresh).toBe("done 5");
    expect(batches).toEqual([[1], [5]]);
  });
});
