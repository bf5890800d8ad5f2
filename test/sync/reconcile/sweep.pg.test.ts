// Covers src/sync/reconcile/{sweep,clerk-count}.ts, src/sync/ledger/sweeps.ts, src/sync/schedule/sweeper.ts

import { describe, expect } from "vitest";
import type { Sandbox } from "../../../src/sandbox/server.js";
import { switchActivityHistory } from "../../../src/sync/ledger/activity-history.js";
import { type TestDatabase, test } from "../../support/database.js";
import { DAY_MS, dateOf, sweepingMirror } from "../../support/sweeping.js";
import { Actives, FIRST, HOUR_MS, started } from "../../support/visits.js";
import type { WalkOptions } from "../../support/walks.js";

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
