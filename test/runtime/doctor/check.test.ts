import { expect, test } from "vitest";
import { AppError } from "../../../src/lib/errors.js";
import { check, ok } from "../../../src/runtime/doctor/check.js";

test("a check that hangs has ended by its deadline, and is told to give up", async () => {
  let signal: AbortSignal | undefined;
  const hanging = (given: AbortSignal) => {
    signal = given;
    return new Promise<never>(() => {});
  };
  expect(await check("it", hanging, { limitMs: 10, fix: "Mend it." })).toEqual({
    ...{ name: "it", status: "failed", message: "no answer within 0.01 s", fix: "Mend it." },
  });
  expect(signal?.aborted).toBe(true);
});

test("what a check throws is what it found, with the way out that the error knows", async () => {
  const thrown = (error: Error) => check("it", () => Promise.reject(error), { fix: "Mend it." });
  expect(await thrown(new Error("outer", { cause: new Error("inner") }))).toMatchObject({
    ...{ status: "failed", message: "inner", fix: "Mend it." },
  });
  expect(
    await thrown(new AppError("configuration", "wrong", { longMessage: "Set it right." })),
  ).toMatchObject({
    ...{ status: "failed", message: "wrong", fix: "Set it right." },
  });
  expect(await check("it", () => ok("well"))).toEqual({ name: "it", status: "ok", message: "well" });
});
