// Covers src/sync/reconcile/{sweep,clerk-count}.ts, src/sync/ledger/sweeps.ts, src/sync/schedule/sweeper.ts

import { describe, expect } from "vitest";
import { SCOPES } from "../../../src/auth/scopes.js";
import { unwatched } from "../../../src/db/connection/availability.js";
import { OURSELVES } from "../../../src/lib/shares.js";
import { createAggregates } from "../../../src/query/aggregate/aggregates.js";
import { parseAggregate } from "../../../src/query/aggregate/request.js";
import { createQueryEngine } from "../../../src/query/engine.js";
import type { Sandbox } from "../../../src/sandbox/server.js";
import { createRandom } from "../../../src/sandbox/world/random.js";
import { type TestDatabase, test } from "../../support/database.js";
import { historyProblems } from "../../support/history.js";
import { DAY_MS, dateOf, sweepingMirror } from "../../support/sweeping.js";
import { Actives, FIRST, HOUR_MS, scanned, started } from "../../support/visits.js";

/** As its count says it, in the middle of the list of users. */
const activeAtClerk = (sandbox: Sandbox, day: number) =>
  sandbox.clerk.users().filter(({ last_active_at: ms }) => Number(ms ?? 0) >= day * DAY_MS).length;

async function aggregated({ database }: TestDatabase): Promise<Map<string, number>> {
  const deps = { guard: unwatched.guard, nowMs: Date.now };
  const aggregates = createAggregates(createQueryEngine(database.readers, deps), deps);
  const body = JSON.stringify({ group_by: [{ field: "active_day", bucket: "day" }] });
  const request = parseAggregate(body, { nowMs: Date.now(), scopes: new Set(SCOPES) });
  const { data } = JSON.parse(await aggregates.of(request, OURSELVES)) as {
    data: { keys: [string]; count: number }[];
  };
  return new Map(data.map(({ keys: [day], count }) => [day, count]));
}

describe("a month with half of all webhooks lost", () => {
  test("on every day Clerk's count, daily_users, the aggregate and a scan of the bits agree, and each day is complete", async ({
    db,
  }) => {
    const { sandbox, ids } = await started(80);
    const mirror = await sweepingMirror(db, sandbox);
    await mirror.backfill();
    const actives = new Actives(sandbox);
    const random = createRandom(7);
    const somebody = () => ids[random.int(ids.length)] as string;
    const isLost = () => random.chance(0.5);
    const counted = new Map<number, number>();
    for (let day = FIRST; day < FIRST + 30; day++) {
      // Nobody comes in the last seconds: see docs/decisions/history.md for what is left there.
      const latest = DAY_MS - 12_000;
      const times = Array.from({ length: 25 }, () => random.int(latest));
      for (const ms of [...times, 1, 30_000, latest - 1].sort((a, b) => a - b)) {
        await mirror.passTo(day * DAY_MS + ms);
        const id = somebody();
        const what = random.next();
        if (what < 0.04) {
          ids.splice(ids.indexOf(id), 1);
          if (!actives.on(day).has(id)) sandbox.clerk.deleteUser(id);
        } else if (what < 0.1) ids.push(String(sandbox.clerk.createUser({ first_name: "New" }).id));
        else if (what < 0.15) sandbox.clerk.updateUser(id, { first_name: `Name ${ms}` });
        else actives.visit(id, what < 0.5);
        await mirror.hear(isLost);
      }
      // A check comes every minute, and finds the deletions that were lost.
      await mirror.passTo((day + 1) * DAY_MS - 11_000);
      await mirror.incremental();
      counted.set(day, activeAtClerk(sandbox, day));
    }
    await mirror.passTo((FIRST + 30) * DAY_MS + HOUR_MS);
    const [days, scan, aggregate] = [await mirror.days(), await scanned(db), await aggregated(db)];
    for (let day = FIRST; day < FIRST + 30; day++) {
      const { all, left } = actives.counts(day);
      const at = dateOf(day);
      expect([at, days.get(at)]).toEqual([at, { active: all, isComplete: true }]);
      expect([at, counted.get(day), scan.get(at), aggregate.get(at)]).toEqual([at, all, left, left]);
    }
    expect(await historyProblems(db.sql)).toEqual([]);
  }, 180_000);
});
