// Covers src/sync/reconcile/{sweep,clerk-count}.ts, src/sync/ledger/sweeps.ts, src/sync/schedule/sweeper.ts

import fc from "fast-check";
import { describe, expect } from "vitest";
import { test } from "../../support/database.js";
import { DAY_MS, dateOf, dayOf, sweepingMirror } from "../../support/sweeping.js";
import { Actives, FIRST, HOUR_MS, scanned, started } from "../../support/visits.js";

describe("whatever happens", () => {
  type Step =
    | { kind: "visit"; who: number; told: "by an event" | "by a lost event" | "by nothing" }
    | { kind: "pass"; minutes: number; asleep: boolean }
    | { kind: "near midnight"; seconds: number }
    | { kind: "outage"; on: boolean }
    | { kind: "during the next page"; who: number; kills: boolean }
    | { kind: "late messages" };
  const step: fc.Arbitrary<Step> = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constant("visit" as const),
        who: fc.nat(11),
        told: fc.constantFrom("by an event" as const, "by a lost event" as const, "by nothing" as const),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant("pass" as const),
        minutes: fc.constantFrom(1, 30, 300, 1000),
        asleep: fc.boolean(),
      }),
    },
    // The last sweep of these few users begins 10.2 seconds before midnight, the one after it when a minute has passed.
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant("near midnight" as const),
        seconds: fc.constantFrom(-300, -100, -12, 1, 59, 61, 3600),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("outage" as const), on: fc.boolean() }) },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant("during the next page" as const),
        who: fc.nat(11),
        kills: fc.boolean(),
      }),
    },
    { weight: 1, arbitrary: fc.constant({ kind: "late messages" as const }) },
  );

  test("a day that is said to be complete has all who were active on it, and one that was watched is complete", async ({
    db,
  }) => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 60, size: "max" }), async (steps) => {
        await db.truncate();
        const { sandbox, ids } = await started(12);
        const mirror = await sweepingMirror(db, sandbox);
        await mirror.backfill();
        const actives = new Actives(sandbox);
        const now = sandbox.clock.now;
        /** Days around whose midnight something went wrong, or that began before the mirror did. */
        const unwatched = new Set([FIRST - 1]);
        let isOut = false;
        let killed = new AbortController();
        // In the last seconds nobody comes: they are what is left, as docs/decisions/history.md says.
        const isAllowed = () => (now() % DAY_MS) + 12_000 < DAY_MS;
        const passTo = async (ms: number, asleep = false) => {
          const before = now();
          killed = new AbortController();
          await mirror.passTo(ms, { asleep, signal: killed.signal });
          if (!asleep && !isOut && !killed.signal.aborted) return;
          for (let day = dayOf(before - HOUR_MS); day <= dayOf(now() + HOUR_MS); day++) unwatched.add(day);
        };
        for (const one of steps) {
          if (one.kind === "pass") await passTo(now() + one.minutes * 60_000, one.asleep);
          else if (one.kind === "near midnight") {
            const midnight = (dayOf(now() - one.seconds * 1000) + 1) * DAY_MS;
            await passTo(midnight + one.seconds * 1000);
          } else if (one.kind === "outage") {
            isOut = one.on;
            sandbox.faults.clear();
            if (isOut) sandbox.faults.add({ match: "/v1/users", status: 401, body: { errors: [] } });
          } else if (one.kind === "during the next page") {
            sandbox.onListPage = () => {
              sandbox.onListPage = () => {};
              if (isAllowed()) actives.visit(ids[one.who] as string);
              if (one.kills) killed.abort(new Error("killed"));
            };
          } else if (one.kind === "late messages") await mirror.hear();
          else if (isAllowed()) {
            actives.visit(ids[one.who] as string, one.told !== "by nothing");
            if (one.told === "by an event") await mirror.hear();
          }
        }
        const days = await mirror.days();
        const scan = await scanned(db);
        for (let day = FIRST; day < dayOf(now()); day++) {
          const at = dateOf(day);
          const { active, isComplete } = days.get(at) ?? { active: null, isComplete: false };
          const { all } = actives.counts(day);
          expect(active).toBeLessThanOrEqual(all);
          expect([at, scan.get(at) ?? 0]).toEqual([at, active]);
          if (isComplete) expect([at, active]).toEqual([at, all]);
          const isEnded = now() > (day + 1) * DAY_MS + 60_000;
          if (isEnded && !unwatched.has(day)) expect([at, isComplete]).toEqual([at, true]);
        }
        await sandbox.close();
      }),
      { numRuns: Number(process.env.SWEEP_RUNS ?? 15), endOnFailure: true },
    );
  }, 600_000);
});
