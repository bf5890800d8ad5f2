import { describe, expect, test } from "vitest";
import { createRecentWebhooks } from "../../../src/sync/webhooks/recent.js";

describe("recent webhooks", () => {
  test("tell how late events come, by percentiles of those that were applied", () => {
    const nowMs = 1_000_000;
    const recent = createRecentWebhooks(() => nowMs);
    for (let ms = 1; ms <= 100; ms++) recent.note({ status: "applied", sentAtMs: nowMs - ms });
    recent.note({ status: "duplicate", sentAtMs: 0 });
    recent.note({ status: "applied", sentAtMs: null });
    expect(recent.read().lag).toEqual({ p50: 50, p95: 95, p99: 99 });
  });

  test("take what an event that comes from the future is late for nothing", () => {
    const recent = createRecentWebhooks(() => 1000);
    recent.note({ status: "applied", sentAtMs: 5000 });
    expect(recent.read().lag).toEqual({ p50: 0, p95: 0, p99: 0 });
  });

  test("forget lags after ten minutes, and hold a thousand of them", () => {
    let nowMs = 0;
    const recent = createRecentWebhooks(() => nowMs);
    for (let n = 0; n < 1000; n++) recent.note({ status: "applied", sentAtMs: nowMs - 9 });
    for (let n = 0; n < 1000; n++) recent.note({ status: "applied", sentAtMs: nowMs - 5 });
    expect(recent.read().lag).toEqual({ p50: 5, p95: 5, p99: 5 });
    nowMs = 600_001;
    expect(recent.read().lag).toBeNull();
  });

  test("are counted a second over the last minute, also after a pause", () => {
    let nowMs = 0;
    const recent = createRecentWebhooks(() => nowMs);
    for (let n = 0; n < 120; n++) {
      nowMs += 1000;
      recent.note({ status: "stale", sentAtMs: null });
      recent.note({ status: "applied", sentAtMs: null });
    }
    expect(recent.read().per_second).toBe(2);
    nowMs += 30_000;
    expect(recent.read().per_second).toBe(1);
    nowMs += 3_600_000;
    expect(recent.read().per_second).toBe(0);
    recent.note({ status: "applied", sentAtMs: null });
    expect(recent.read().per_second).toBe(0.02);
  });
});
