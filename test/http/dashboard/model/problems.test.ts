import { describe, expect, test } from "vitest";
import { hasGap, problemsOf } from "../../../../src/http/dashboard/model/problems.js";
import type { ShownRun, ShownStatus } from "../../../../src/http/dashboard/model/status.js";

const NOW = 1_800_000_000_000;
const NONE = { missed_create: 0, missed_update: 0, missed_delete: 0 };

const run = (parts: Partial<ShownRun>): ShownRun => ({
  ...{
    id: "run_1",
    mode: "incremental",
    state: "succeeded",
    started_at: NOW - 2000,
    finished_at: NOW - 1000,
  },
  ...{ users: { seen: 1, expected: 1 }, differences: NONE, eta: null, error: null },
  ...parts,
});

const WELL: ShownStatus = {
  ...{
    state: "live",
    users: 10,
    organizations: 1,
    memberships: 1,
    as_of: NOW - 60_000,
    memberships_as_of: null,
    backfilled_at: 1,
  },
  upstream: {
    api_url: "u",
    environment: "test",
    instance_id: null,
    users: 10,
    users_here: 10,
    counted_at: NOW - 1500,
  },
  activity: { since: 0, complete_days: 3, incomplete_days: [] },
  last_runs: [run({})],
  drift: { found: NONE, repaired: NONE },
  walker: { holder: "h", expires_at: NOW + 1 },
  budget: { limit: 100, used: { urgent: 0, background: 0 }, share: 1, paused_until: null },
  ...{ cache: null, dead_letters: 0, refetches: 0, lag: null },
  webhooks: { configured: true, outcomes: {}, per_second: 0 },
  ...{ versions: { mirror: "1", node: "20", postgres: "15" }, database: { embedded: null } },
};

describe("problems", () => {
  test("there are none where all is well", () => expect(problemsOf(WELL, NOW)).toEqual([]));

  test.each<[string, Partial<ShownStatus>, string, string | null]>([
    [
      "a run that was stopped",
      { last_runs: [run({ state: "stopped", error: "too many" })] },
      "--allow-purge",
      "runs",
    ],
    [
      "a run that failed",
      { last_runs: [run({ state: "running" }), run({ state: "failed" })] },
      "tried again",
      "runs",
    ],
    ["an old proof", { as_of: NOW - 3_700_000 }, "whether runs end", "runs"],
    ["dead letters", { dead_letters: 2 }, "replay or drop", "dead-letters"],
    ["no walker", { walker: null }, "15 seconds", null],
    [
      "no webhooks",
      { webhooks: { ...WELL.webhooks, configured: false } },
      "CLERK_WEBHOOK_SIGNING_SECRET",
      null,
    ],
    ["a 429", { budget: { ...WELL.budget, paused_until: NOW + 5 } }, "UPSTREAM_BACKGROUND_SHARE", null],
    ["a lowered share", { budget: { ...WELL.budget, share: 0.5 } }, "rises again", null],
    [
      "days in doubt",
      { activity: { since: 0, complete_days: 1, incomplete_days: ["2026-11-01"] } },
      "over midnight",
      null,
    ],
  ])("%s is told with what to do next", (_, parts, next, page) => {
    expect(problemsOf({ ...WELL, ...parts }, NOW)).toEqual([
      expect.objectContaining({ next: expect.stringContaining(next), page }),
    ]);
  });

  test("a sweep that failed, and a dry run, say nothing about what is served", () => {
    const last_runs = [run({ mode: "sweep", state: "failed" }), run({})];
    expect(problemsOf({ ...WELL, last_runs }, NOW)).toEqual([]);
  });

  test("another count at Clerk is a gap until a run has ended well since", () => {
    const upstream = { ...WELL.upstream!, users_here: 9 };
    expect(hasGap({ ...WELL, upstream })).toBe(false);
    expect(hasGap({ ...WELL, upstream: { ...upstream, counted_at: NOW } })).toBe(true);
    expect(
      hasGap({ ...WELL, upstream, last_runs: [run({ state: "failed" }), run({ mode: "dry_run" })] }),
    ).toBe(true);
  });
});
