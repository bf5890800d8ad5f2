import { expect, test } from "vitest";
import { readAnew } from "../../../src/query/aggregate/read-anew.js";

test.for([0, 1, 2])("what has an answer after %i tries without one is answered", async (without) => {
  let tries = 0;
  expect(await readAnew(async () => (tries++ < without ? null : "answer"))).toBe("answer");
  expect(tries).toBe(without + 1);
});

test("what has none three times is overloaded", async () => {
  let tries = 0;
  const never = readAnew(async () => {
    tries++;
    return null;
  });
  await expect(never).rejects.toMatchObject({ code: "overloaded" });
  expect(tries).toBe(3);
});

test("an error ends it at once", async () => {
  await expect(readAnew(() => Promise.reject(new Error("refused")))).rejects.toThrow("refused");
});
