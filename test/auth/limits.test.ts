import fc from "fast-check";
import { expect, test } from "vitest";
import { createLimiter } from "../../src/auth/limits.js";

test("a key makes its rate at once, and then as much a second; the others are told when to come again", () => {
  let nowMs = 0;
  const { enter, leave } = createLimiter({ rate: 4, inFlight: 100 }, () => nowMs);
  const go = () => {
    enter();
    leave();
  };
  for (let n = 0; n < 4; n++) go();
  expect(go).toThrow(expect.objectContaining({ code: "rate_limited", retryAfterSeconds: 0.25 }));
  nowMs += 250;
  go();
  expect(go).toThrow();
});

test("a key has so many requests at a time, and what is refused counts for nothing", () => {
  const { enter, leave } = createLimiter({ rate: 1000, inFlight: 2 }, () => 0);
  enter();
  enter();
  expect(enter).toThrow(expect.objectContaining({ code: "rate_limited", retryAfterSeconds: 1 }));
  leave();
  enter();
  expect(enter).toThrow();
});

test("no second sees more than twice the rate, nor does any while", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), fc.array(fc.nat(400), { maxLength: 200 }), (rate, waits) => {
      let nowMs = 0;
      const { enter, leave } = createLimiter({ rate, inFlight: 1 }, () => nowMs);
      const entered: number[] = [];
      for (const wait of waits) {
        nowMs += wait;
        try {
          enter();
        } catch {
          continue;
        }
        leave();
        entered.push(nowMs);
      }
      for (const [n, at] of entered.entries()) {
        for (const [m, until] of entered.entries()) {
          if (m >= n) expect(m - n + 1).toBeLessThanOrEqual(rate + ((until - at) * rate) / 1000 + 1e-6);
        }
      }
    }),
  );
});
