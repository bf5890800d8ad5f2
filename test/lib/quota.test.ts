import { expect, test } from "vitest";
import { NOTHING_SPENT, pause, spend } from "../../src/lib/quota.js";

const LIMITS = { limit: 10, backgroundShare: 0.5, windowMs: 10_000 };
const SIX_HOURS = 6 * 3_600_000;
const NOW = 1_750_000_000_000;

test("what was spent before the clock was set back holds up nobody for as long as it was set back by", () => {
  const all = { urgent: 10, background: 0 };
  const { after } = spend(NOTHING_SPENT, all, LIMITS, NOW);
  expect(spend(after, all, LIMITS, NOW + 1).granted.urgent).toBe(0);
  expect(spend(after, all, LIMITS, NOW - SIX_HOURS)).toMatchObject({ granted: all, retryMs: null });
});

test("a pause from before the clock was set back lasts a minute at most", () => {
  const background = { urgent: 0, background: 1 };
  const paused = pause(NOTHING_SPENT, 60_000, NOW);
  const { after, retryMs } = spend(paused, background, LIMITS, NOW - SIX_HOURS);
  expect(retryMs).toBeLessThanOrEqual(60_000);
  expect(spend(after, background, LIMITS, NOW - SIX_HOURS + 60_001).granted.background).toBe(1);
});
