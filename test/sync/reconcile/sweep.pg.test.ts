// Covers src/sync/reconcile/{sweep,clerk-count}.ts, src/sync/ledger/sweeps.ts, src/sync/schedule/sweeper.ts

import fc from "fast-check";
import { afterEach, describe, expect } from "vitest";
import { SCOPES } from "../../../src/auth/scopes.js";
import { unwatched } from "../../../src/db/connection/availability.js";
import { OURSELVES } from "../../../src/lib/shares.js";
import { createAggregates } from "../../../src/query/aggregate/aggregates.js";
import { parseAggregate } from "../../../src/query/aggregate/request.js";
import { createQueryEngine } from "../../../src/query/engine.js";
import { type Sandbox, startSandbox } from "../../../src/sandbox/server.js";
import { createRandom } from "../../../src/sandbox/world/random.js";
import { switchActivityHistory } from "../../../src/sync/ledger/activity-history.js";
import { type TestDatabase, test } from "../../support/database.js";
import { historyProblems } from "../../support/history.js";
import { DAY_MS, dateOf, dayOf, sweepingMirror } from "../../support/sweeping.js";
import type { WalkOptions } from "../../support/walks.js";

const sandboxes: Sandbox[] = [];
afterEach(async () => {
  for (const sandbox of sandboxes.splice(0)) await sandbox.close();
});

/** The views end with the real today, so virtual time lies before it. */
const FIRST = dayOf(Date.now()) - 35;
const HOUR_MS = 3_600_000;

/** Noon of the day before the first, with a user for each of these ids. */
async function started(users: number): Promise<{ sandbox: Sandbox; ids: string[] }> {
  const sandbox = await startSandbox({ clockMs: (FIRST - 1) * DAY_MS + 12 * HOUR_MS });
  sandboxes.push(sandbox);
  const ids = Array.from({ length: users }, (_, n) =>
    String(sandbox.clerk.createUser({ external_id: String(n) }).id),
  );
  return { sandbox, ids };
}

/** Who was active at Clerk on which day, whatever becomes of them later. */
class Actives {
  readonly byDay = new Map<number, Set<string>>();
  constructor(private readonly sandbox: Sandbox) {}

  /** A visit of somebody with a session, of which no event tells; or a sign-in, of which one does. */
  visit(id: string, isSignIn = false): void {
    const { clerk } = this.sandbox;
    const { last_active_at } = isSignIn ? clerk.signIn(id) : clerk.touchActivity(id);
    const day = dayOf(Number(last_active_at));
    this.byDay.set(day, (this.byDay.get(day) ?? new Set()).add(id));
  }

  on = (day: number) => this.byDay.get(day) ?? new Set<string>();

  /** How many were active on a day, of all users and of those who are left. */
  counts(day: number) {
    const left = new Set(this.sandbox.clerk.users().map(({ id }) => String(id)));
    return { all: this.on(day).size, left: [...this.on(day)].filter((id) => left.has(id)).length };
  }
}

/** As its count says it, in the middle of the list of users. */
const activeAtClerk = (sandbox: Sandbox, day: number) =>
  sandbox.clerk.users().filter(({ last_active_at: ms }) => Number(ms ?? 0) >= day * DAY_MS).length;

async function scanned({ sql }: TestDatabase): Promise<Map<string, number>> {
  const rows = await sql<{ day: string; n: number }[]>`
    select day::text, count(*)::integer as n from mirror.user_activity_days group by day`;
  return new Map(rows.map(({ day, n }) => [day, n]));
}

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

describe("a day", () => {
  /** A mirror that knows everybody, at noon of the first day, when half of them were there already and nothing told of it. */
  async function atNoon(db: TestDatabase, users = 10, options: WalkOptions = {}) {
    const { sandbox, ids } = await started(users);
    const mirror = await sweepingMirror(db, sandbox, options);
    await mirror.backfill();
    await mirror.passTo(NOON);
    const actives = new Actives(sandbox);
    for (const id of ids.slice(0, users / 2)) actives.visit(id);
    sandbox.requests.length = 0;
    return { sandbox, mirror, ids, actives };
  }

  const NOON = FIRST * DAY_MS + 12 * HOUR_MS;
  const MIDNIGHT = (FIRST + 1) * DAY_MS;
  const first = async (mirror: { days(): Promise<Map<string, unknown>> }) =>
    (await mirror.days()).get(dateOf(FIRST));
  const requestsOf = (sandbox: Sandbox) =>
    sandbox.requests.splice(0).map(({ path, search }) => `${path}${search}`);
  const refusing = {
    status: 401,
    body: { errors: [{ message: "", long_message: "", code: "clerk_key_invalid" }] },
  };

  test("costs a page for each 500 who were active and a few requests, and one where nothing is to be brought", async ({
    db,
  }) => {
    const priorities = new Set<string>();
    const { sandbox, mirror } = await atNoon(db, 2400, {
      api: (api) => ({
        ...api,
        countUsers(query, call) {
          priorities.add(call.priority);
          return api.countUsers(query, call);
        },
        listUsers(query, call) {
          priorities.add(call.priority);
          return api.listUsers(query, call);
        },
      }),
    });
    priorities.clear();
    await mirror.passTo(MIDNIGHT - 60_000);
    const early = requestsOf(sandbox);
    expect(early.filter((one) => one.startsWith("/v1/users?"))).toHaveLength(3);
    expect(early).toHaveLength(5);
    await mirror.passTo(MIDNIGHT - 1);
    const bound = `last_active_at_after=${FIRST * DAY_MS - 1}`;
    expect(requestsOf(sandbox)).toEqual([`/v1/users/count?${bound}`]);
    await mirror.passTo(MIDNIGHT + HOUR_MS);
    expect(requestsOf(sandbox)).toEqual([`/v1/users/count?${bound}`]);
    expect(await first(mirror)).toEqual({ active: 1200, isComplete: true });
    expect([...priorities]).toEqual(["repair"]);
    const runs = await db.sql`
      select state, users_seen as seen, users_expected as expected from mirror_data.runs
      where mode = 'sweep' and queued_at > ${NOON} order by queued_at`;
    expect(runs).toEqual([
      { state: "succeeded", seen: 1200, expected: 1200 },
      { state: "succeeded", seen: 0, expected: null },
      { state: "succeeded", seen: 0, expected: null },
    ]);
  });

  test("includes whoever was active in its first millisecond, and nobody of the day before", async ({
    db,
  }) => {
    const { sandbox, ids } = await started(3);
    const mirror = await sweepingMirror(db, sandbox);
    await mirror.backfill();
    const actives = new Actives(sandbox);
    await mirror.passTo(FIRST * DAY_MS - 12_000);
    actives.visit(ids[0] as string);
    await mirror.passTo(FIRST * DAY_MS - 1);
    // The clock ticks with each write.
    actives.visit(ids[1] as string);
    expect(actives.on(FIRST).size).toBe(1);
    await mirror.passTo(MIDNIGHT + HOUR_MS);
    expect(await first(mirror)).toEqual({ active: 1, isComplete: true });
    expect((await mirror.days()).get(dateOf(FIRST - 1))).toEqual({ active: 1, isComplete: true });
  });

  test("whose midnight nobody saw isn't complete, and is told", async ({ db }) => {
    const { mirror, actives, ids } = await atNoon(db);
    await mirror.passTo(MIDNIGHT + 5 * HOUR_MS, { asleep: true });
    actives.visit(ids[0] as string);
    await mirror.passTo(MIDNIGHT + 6 * HOUR_MS);
    // Four are left whom Clerk still shows with that day.
    expect(await first(mirror)).toEqual({ active: 4, isComplete: false });
    await mirror.passTo(MIDNIGHT + 2 * DAY_MS);
    const days = await mirror.days();
    expect(days.get(dateOf(FIRST))).toEqual({ active: 4, isComplete: false });
    expect(days.get(dateOf(FIRST + 1))).toEqual({ active: 1, isComplete: true });
  });

  test("that was counted before the process was killed is complete if nobody is missing, however late it comes back", async ({
    db,
  }) => {
    const { mirror, actives, ids } = await atNoon(db);
    await mirror.passTo(MIDNIGHT - 5000);
    actives.visit(ids[9] as string);
    await mirror.passTo(MIDNIGHT + 30 * HOUR_MS, { asleep: true });
    await mirror.passTo(MIDNIGHT + 31 * HOUR_MS);
    expect(await first(mirror)).toEqual({ active: 6, isComplete: true });
  });

  test("is not complete while somebody is missing whom Clerk had counted, and is once a late webhook tells of them", async ({
    db,
  }) => {
    const { sandbox, mirror, actives, ids } = await atNoon(db);
    await mirror.passTo(MIDNIGHT - 60_000);
    actives.visit(ids[8] as string);
    sandbox.clerk.updateUser(ids[8] as string, { first_name: "Late" });
    // Counted, and not read: Clerk's list fails, and the next day comes.
    sandbox.faults.add({ match: "GET /v1/users$", ...refusing });
    await mirror.passTo(MIDNIGHT - 1);
    await mirror.passTo(MIDNIGHT + 1);
    sandbox.faults.clear();
    actives.visit(ids[8] as string);
    await mirror.passTo(MIDNIGHT + HOUR_MS);
    expect(await first(mirror)).toEqual({ active: 5, isComplete: false });
    await mirror.hear();
    expect(await first(mirror)).toEqual({ active: 6, isComplete: false });
    await mirror.passTo(MIDNIGHT + DAY_MS + HOUR_MS);
    expect(await first(mirror)).toEqual({ active: 6, isComplete: true });
  });

  test("is not complete where Clerk doesn't answer around its midnight", async ({ db }) => {
    const { sandbox, mirror } = await atNoon(db);
    sandbox.faults.add({ match: "/v1/users", ...refusing });
    await mirror.passTo(MIDNIGHT - 1);
    await mirror.passTo(MIDNIGHT + HOUR_MS);
    sandbox.faults.clear();
    await mirror.passTo(MIDNIGHT + 2 * HOUR_MS);
    expect(await first(mirror)).toEqual({ active: 5, isComplete: false });
  });

  test("is read on from where a killed process has come", async ({ db }) => {
    const { sandbox, mirror } = await atNoon(db, 2400);
    await mirror.passTo((await mirror.sweeper.nextMs()) - 1);
    sandbox.clock.advance(1);
    const killed = new AbortController();
    let pages = 0;
    sandbox.onListPage = () => {
      if (++pages === 3) killed.abort(new Error("killed"));
    };
    expect(await mirror.sweep(killed.signal)).toBeNull();
    const again = await mirror.sweep();
    expect(again).toMatchObject({ state: "succeeded", users: { seen: 1200 } });
    // The third page was asked for twice.
    expect(pages).toBe(4);
    await mirror.passTo(MIDNIGHT + HOUR_MS);
    expect(await first(mirror)).toEqual({ active: 1200, isComplete: true });
  });

  test("is begun anew after its midnight where a process was killed before it", async ({ db }) => {
    const { sandbox, mirror, actives, ids } = await atNoon(db, 2400);
    await mirror.passTo(MIDNIGHT - 60_000, { asleep: true });
    const killed = new AbortController();
    let pages = 0;
    sandbox.onListPage = () => {
      if (++pages === 3) killed.abort(new Error("killed"));
    };
    expect(await mirror.sweep(killed.signal)).toBeNull();
    for (const id of ids.slice(1200, 1210)) actives.visit(id);
    await mirror.passTo(MIDNIGHT + HOUR_MS, { asleep: true });
    await mirror.passTo(MIDNIGHT + 2 * HOUR_MS);
    expect(await first(mirror)).toEqual({ active: 1210, isComplete: false });
    expect(
      await db.sql`select state from mirror_data.runs where mode = 'sweep' and queued_at > ${NOON}`,
    ).toEqual([{ state: "succeeded" }, { state: "succeeded" }]);
  });

  test("is seen by nobody with ACTIVITY_HISTORY=off", async ({ db }) => {
    const { sandbox, mirror } = await atNoon(db);
    await switchActivityHistory(db.sql, false);
    expect(await mirror.sweeper.nextMs()).toBe(Number.POSITIVE_INFINITY);
    expect(await mirror.passTo(MIDNIGHT + HOUR_MS)).toEqual([]);
    await mirror.sweep();
    expect(sandbox.requests).toEqual([]);
    expect(await first(mirror)).toEqual({ active: null, isComplete: false });
  });

  test("isn't complete at an upstream that doesn't keep to the filter, which is asked no more than a few times", async ({
    db,
  }) => {
    const { sandbox, mirror } = await atNoon(db, 10, {
      api: (api) => ({
        ...api,
        listUsers: ({ lastActiveAtAfter: _, ...query }, call) => api.listUsers(query, call),
      }),
    });
    await mirror.passTo(MIDNIGHT + HOUR_MS);
    expect(sandbox.requests.length).toBeLessThan(10);
    expect(await first(mirror)).toMatchObject({ isComplete: false });
    sandbox.setCountIgnores(["last_active_at_after"]);
    await mirror.passTo(MIDNIGHT + DAY_MS + HOUR_MS);
    expect((await mirror.days()).get(dateOf(FIRST + 1))).toMatchObject({ isComplete: false });
  });

  test("is complete where Clerk's lists and counts trail what happens", async ({ db }) => {
    let trailing = 0;
    const { sandbox, mirror, actives, ids } = await atNoon(db, 10, {
      api: (api) => ({
        ...api,
        countUsers: async (query, call) =>
          (await api.countUsers(query, call)) - (query.lastActiveAtAfter && trailing-- > 0 ? 1 : 0),
      }),
    });
    await mirror.passTo(MIDNIGHT - 60_000);
    sandbox.setListLag(15_000);
    actives.visit(ids[7] as string, true);
    await mirror.hear();
    await mirror.passTo(MIDNIGHT - 20_000);
    actives.visit(ids[8] as string);
    // What a webhook has told is in the second count alone.
    trailing = 1;
    await mirror.passTo(MIDNIGHT + HOUR_MS);
    expect(trailing).toBeLessThanOrEqual(0);
    expect(await first(mirror)).toEqual({ active: 7, isComplete: true });
  });

  test("counts those who were active and deleted before it ended", async ({ db }) => {
    const { sandbox, mirror, actives, ids } = await atNoon(db);
    await mirror.passTo(MIDNIGHT - 60_000);
    actives.visit(ids[8] as string);
    for (const id of [ids[0], ids[1], ids[9]]) sandbox.clerk.deleteUser(id as string);
    await mirror.hear();
    await mirror.passTo(MIDNIGHT + HOUR_MS);
    expect(await first(mirror)).toEqual({ active: 6, isComplete: true });
  });
});

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
