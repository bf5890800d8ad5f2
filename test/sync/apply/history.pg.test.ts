// Covers src/changes/history.ts, src/sync/fold/active-days.ts

import fc from "fast-check";
import { describe, expect } from "vitest";
import type { Sql } from "../../../src/db/connection/sql.js";
import { silentLogger } from "../../../src/observability/logger.js";
import { createRefetcher } from "../../../src/sync/answers/refetcher.js";
import { applyItems } from "../../../src/sync/apply/apply.js";
import type { Item } from "../../../src/sync/apply/batch.js";
import { loadUsers } from "../../../src/sync/apply/load-users.js";
import { gone, userSnapshot } from "../../../src/sync/fold/snapshot.js";
import { unfenced } from "../../../src/sync/ledger/lease.js";
import { itemOfEvent } from "../../../src/sync/webhooks/events.js";
import { clerkUser } from "../../support/clerk-user.js";
import { test } from "../../support/database.js";
import { historyProblems, noteForgottenDays } from "../../support/history.js";

const OPTIONS = { lagMs: 60_000 };
const DAY_MS = 86_400_000;
const FIRST = Date.UTC(2026, 8, 1);
/** Some moment of the n-th day. */
const on = (day: number) => FIRST + day * DAY_MS + ((day * 7_654_321) % DAY_MS);
const dateOf = (day: number) => new Date(FIRST + day * DAY_MS).toISOString().slice(0, 10);

const apply = (sql: Sql, ...items: Item[]) => applyItems(sql, items, OPTIONS);
const told = (
  fields: Record<string, unknown> & { id: string },
  source: "webhook" | "page" | "refetch" = "page",
  at = 1,
) => ({
  users: [userSnapshot(clerkUser(fields), source, at)],
});

async function marked(sql: Sql): Promise<string[]> {
  const rows = await sql<{ one: string }[]>`
    select user_id || ' ' || day as one from mirror.user_activity_days order by 1`;
  return rows.map(({ one }) => one);
}

/** The versions of all rows of the history: a row that was written again has another. */
const versions = (sql: Sql) => sql`
  select xmin::text, ctid::text from mirror_data.active_days
  union all select xmin::text, ctid::text from mirror_data.daily_users order by 1, 2`;

/** Asks a Clerk who knows of all users but the deleted, and nothing of when they were active. */
const refetcherFor = (sql: Sql, deleted: ReadonlySet<number>) =>
  createRefetcher({
    ...{ sql, lagMs: OPTIONS.lagMs, log: silentLogger() },
    api: {
      getUser: async (id: string) => {
        const startedAtMs = Date.now() + 1000;
        if (deleted.has(Number(id.slice("user_".length)))) return { kind: "gone", startedAtMs };
        return { kind: "live", object: clerkUser({ id, updated_at: 0 }), startedAtMs };
      },
    } as never,
  });

/** When each user was active and signed in last, of those who ever were. */
async function lastTimes(sql: Sql): Promise<Record<string, (number | null)[]>> {
  const rows = await sql<{ id: string; active: number | null; signed_in: number | null }[]>`
    select id, last_active_at as active, last_sign_in_at as signed_in from mirror_data.users
    where last_active_at is not null or last_sign_in_at is not null`;
  return Object.fromEntries(rows.map(({ id, active, signed_in }) => [id, [active, signed_in]]));
}

function lastTimesOf(events: readonly { n: number; active: number | null; signIn: number | null }[]) {
  const last: Record<string, (number | null)[]> = {};
  for (const { n, active, signIn } of events) {
    const [lastActive = null, lastSignIn = null] = last[`user_${n}`] ?? [];
    const later = (one: number | null, day: number | null) =>
      day === null ? one : Math.max(one ?? 0, on(day));
    if (active !== null || signIn !== null)
      last[`user_${n}`] = [later(lastActive, active), later(lastSignIn, signIn)];
  }
  return last;
}

describe("the days on which users were active", () => {
  test("are kept whatever tells of them", async ({ db }) => {
    const session = (type: string, data: object) =>
      itemOfEvent({ type, data, instanceId: null, timestampMs: on(9) }, on(9)) as Item;
    await apply(
      db.sql,
      told({ id: "user_1", updated_at: on(3), last_active_at: on(3), last_sign_in_at: on(1) }),
    );
    await apply(
      db.sql,
      told({ id: "user_1", updated_at: on(4), last_active_at: on(4), last_sign_in_at: on(1) }, "webhook"),
    );
    // Older than what is known: it loses, and has been active all the same.
    await apply(db.sql, told({ id: "user_1", updated_at: on(2), last_active_at: on(2) }));
    await apply(
      db.sql,
      session("session.created", { user_id: "user_1", created_at: on(5), last_active_at: on(6) }),
    );
    const user = clerkUser({ id: "user_1", updated_at: on(4), last_active_at: on(4) });
    await apply(
      db.sql,
      session("session.ended", { user_id: "user_1", user, created_at: on(5), last_active_at: on(8) }),
    );
    await apply(db.sql, told({ id: "user_2", last_active_at: -5, last_sign_in_at: 2 ** 53 }));
    expect(await marked(db.sql)).toEqual([1, 2, 3, 4, 5, 6, 8].map((day) => `user_1 ${dateOf(day)}`));
    expect(await historyProblems(db.sql)).toEqual([]);
  });

  test("are written once, and nothing is written where they are told again", async ({ db }) => {
    const visits = Array.from({ length: 40 }, (_, n): Item[] => [
      told(
        { id: `user_${n}`, updated_at: on(5), last_active_at: on(5), last_sign_in_at: on(2) },
        "webhook",
        on(5),
      ),
      told({ id: `user_${n}`, updated_at: on(3), last_active_at: on(3) }, "webhook", on(3)),
    ]).flat();
    await apply(db.sql, ...visits);
    const before = await versions(db.sql);
    expect(before).toHaveLength(3 + 4);
    await apply(db.sql, ...visits);
    for (const visit of visits) await apply(db.sql, visit);
    // Later on the same day.
    const later = on(5) + 60_000;
    await apply(
      db.sql,
      told(
        { id: "user_1", updated_at: later, last_active_at: later, last_sign_in_at: later },
        "webhook",
        later,
      ),
    );
    expect(await versions(db.sql)).toEqual(before);
  });

  test("are the same in whatever order and batches they are told, and none stays of who is deleted", async ({
    db,
  }) => {
    const day = fc.option(fc.nat(5), { nil: null });
    const said = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({
          kind: fc.constant("live"),
          n: fc.nat(3),
          at: fc.nat(20),
          active: day,
          signIn: day,
          source: fc.constantFrom("webhook", "page", "write"),
        }),
      },
      {
        weight: 3,
        arbitrary: fc.record({
          kind: fc.constant("activity"),
          n: fc.nat(3),
          at: fc.nat(20),
          active: day,
          signIn: day,
          source: fc.constant("webhook"),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({
          kind: fc.constant("gone"),
          n: fc.nat(3),
          at: fc.nat(20),
          active: fc.constant(null),
          signIn: fc.constant(null),
          source: fc.constant("webhook"),
        }),
      },
    );
    type Said = typeof said extends fc.Arbitrary<infer T> ? T : never;
    const itemOf = ({ kind, n, at, active, signIn, source }: Said): Item => {
      const id = `user_${n}`;
      const times = [active, signIn].map((one) => (one === null ? null : on(one)));
      if (kind === "gone") return { users: [gone(id, "webhook", at)] };
      const fields = { id, updated_at: at, last_active_at: times[0], last_sign_in_at: times[1] };
      if (kind === "live") return { users: [userSnapshot(clerkUser(fields), source as "page", at)] };
      const [lastActiveAtMs = null, lastSignInAtMs = null] = times;
      return {
        users: [
          { kind: "activity", id, observedAtMs: at, source: "webhook", lastActiveAtMs, lastSignInAtMs },
        ],
      };
    };
    const all = fc.array(said, { minLength: 1, maxLength: 12 });
    const cases = all.chain((events) =>
      fc.record({
        events: fc.constant(events),
        order: fc.shuffledSubarray(events, { minLength: events.length, maxLength: events.length }),
        isKnown: fc.boolean(),
        cuts: fc.array(fc.boolean(), { minLength: events.length, maxLength: events.length }),
      }),
    );
    await noteForgottenDays(db.sql);
    await fc.assert(
      fc.asyncProperty(cases, async ({ events, order, isKnown, cuts }) => {
        await db.truncate();
        await noteForgottenDays(db.sql);
        if (isKnown)
          await apply(db.sql, ...[0, 1, 2, 3].map((n) => told({ id: `user_${n}`, updated_at: 0 })));
        const batch: Item[] = [];
        for (const [n, event] of order.entries()) {
          batch.push(itemOf(event));
          if (cuts[n] || n === order.length - 1) await apply(db.sql, ...batch.splice(0));
        }
        const deleted = new Set(events.filter(({ kind }) => kind === "gone").map(({ n }) => n));
        // Whoever was known by sessions alone is asked for.
        await refetcherFor(db.sql, deleted).drain();
        expect(await db.sql`select from mirror_data.refetches`).toEqual([]);
        const days = events
          .filter(({ n }) => !deleted.has(n))
          .flatMap(({ n, active, signIn }) =>
            [active, signIn].flatMap((one) => (one === null ? [] : [`user_${n} ${dateOf(one)}`])),
          );
        expect(await marked(db.sql)).toEqual([...new Set(days)].sort());
        expect(await historyProblems(db.sql)).toEqual([]);
        expect(await lastTimes(db.sql)).toEqual(lastTimesOf(events.filter(({ n }) => !deleted.has(n))));
      }),
      { numRuns: 60 },
    );
  });

  test("of a user who wasn't known wait for an answer that comes with all of them, each once", async ({
    db,
  }) => {
    const visit = (day: number, source: "webhook" | "refetch") => ({
      ...({ kind: "activity", id: "user_1", source, observedAtMs: Date.now() + 1000 } as const),
      ...{ lastActiveAtMs: on(day), lastSignInAtMs: null },
    });
    const waiting = async () => {
      const rows = await db.sql<{ visits: unknown }[]>`select visits from mirror_data.refetches`;
      return rows.map((row) => row.visits);
    };
    await apply(db.sql, { users: [visit(1, "webhook")] });
    await apply(
      db.sql,
      { users: [visit(2, "webhook")] },
      { refetches: [{ kind: "user", id: "user_1", reason: "again" }] },
    );
    const both = [
      [
        [on(1), null],
        [on(2), null],
      ],
    ];
    expect([await waiting(), await marked(db.sql)]).toEqual([both, []]);
    // An answer for which only the first was read.
    const known = userSnapshot(clerkUser({ id: "user_1" }), "refetch", Date.now() + 1000);
    await apply(db.sql, { users: [known, visit(1, "refetch")] });
    expect([await waiting(), await marked(db.sql)]).toEqual([both, [`user_1 ${dateOf(1)}`]]);
    await refetcherFor(db.sql, new Set()).drain();
    expect([await waiting(), await marked(db.sql)]).toEqual([
      [],
      [1, 2].map((day) => `user_1 ${dateOf(day)}`),
    ]);
  });

  test("go with their user, who begins anew after coming back, in one batch too", async ({ db }) => {
    const number = async () =>
      (await db.sql<{ number: number | null }[]>`select number from mirror_data.users`)[0]?.number;
    await noteForgottenDays(db.sql);
    await apply(db.sql, told({ id: "user_1", last_active_at: on(1) }));
    const first = await number();
    await apply(db.sql, { users: [gone("user_1", "webhook", on(2))] });
    expect([await number(), await marked(db.sql)]).toEqual([null, []]);
    await apply(db.sql, told({ id: "user_1", updated_at: on(1), last_active_at: on(1) }, "webhook", on(1)));
    expect(await marked(db.sql)).toEqual([]);
    const back = told({ id: "user_1", updated_at: on(5), last_active_at: on(5) }, "refetch", on(5));
    await apply(db.sql, back);
    const second = await number();
    expect(second).not.toBe(first);
    expect(await marked(db.sql)).toEqual([`user_1 ${dateOf(5)}`]);
    const again = told({ id: "user_1", updated_at: on(8), last_active_at: on(8) }, "refetch", on(8));
    await apply(db.sql, { users: [gone("user_1", "webhook", on(6))] }, again);
    expect([first, second]).not.toContain(await number());
    expect(await marked(db.sql)).toEqual([`user_1 ${dateOf(8)}`]);
    const active = await db.sql<{ active: number }[]>`
      select active from mirror_data.daily_users where active > 0 order by day`;
    expect(active.map((one) => one.active)).toEqual([1, 1, 1]);
    expect(await historyProblems(db.sql)).toEqual([]);
  });
});

test("whoever was deleted before anything else was heard is counted once somebody says when the user was created", async ({
  db,
}) => {
  await noteForgottenDays(db.sql);
  const days = () => db.sql`
    select day::text, created, deleted from mirror_data.daily_users order by day`;
  const born = told(
    { id: "user_1", updated_at: on(1), created_at: on(1), last_active_at: on(1) },
    "webhook",
    on(1),
  );
  await apply(db.sql, { users: [gone("user_1", "webhook", on(3))] });
  expect(await days()).toEqual([]);
  await apply(db.sql, born);
  const counted = [
    { day: dateOf(1), created: 1, deleted: 0 },
    { day: dateOf(3), created: 0, deleted: 1 },
  ];
  expect(await days()).toEqual(counted);
  const before = await versions(db.sql);
  await apply(db.sql, born);
  expect(await versions(db.sql)).toEqual(before);
  await apply(db.sql, born, { users: [gone("user_2", "webhook", on(3))] });
  await apply(
    db.sql,
    { users: [gone("user_3", "webhook", on(3))] },
    { users: born.users.map((one) => ({ ...one, id: "user_3" })) },
  );
  expect(await days()).toEqual(
    counted.map(({ day, ...n }) => ({ day, created: n.created * 2, deleted: n.deleted * 2 })),
  );
  expect(await marked(db.sql)).toEqual([]);
  expect(await historyProblems(db.sql)).toEqual([]);
});

test("what is counted by day is what counting gives at every moment, beside writers, deletions and loads", async ({
  db,
}) => {
  const batch = fc.record({
    said: fc.array(
      fc.record({
        kind: fc.constantFrom("live", "live", "gone", "back"),
        n: fc.nat(7),
        at: fc.nat(30),
        created: fc.nat(3),
        active: fc.nat(4),
      }),
      { minLength: 1, maxLength: 8 },
    ),
    how: fc.constantFrom("apply", "apply", "load", "dry"),
  });
  const writers = fc.array(fc.array(batch, { maxLength: 5 }), { minLength: 2, maxLength: 4 });
  const snapshotOf = ({
    kind,
    n,
    at,
    created,
    active,
  }: {
    kind: string;
    n: number;
    at: number;
    created: number;
    active: number;
  }) => {
    const user = clerkUser({
      id: `user_${n}`,
      updated_at: at,
      created_at: on(created),
      last_active_at: on(active),
    });
    return kind === "back"
      ? userSnapshot(user, "refetch", 1_000_000 + at)
      : userSnapshot(user, "webhook", at);
  };
  await fc.assert(
    fc.asyncProperty(writers, async (all) => {
      await db.truncate();
      await noteForgottenDays(db.sql);
      let isOver = false;
      const watch = async () => {
        while (!isOver) expect(await historyProblems(db.sql)).toEqual([]);
      };
      const write = async (batches: (typeof all)[number]) => {
        for (const { said, how } of batches) {
          const live = new Map(said.map((one) => [one.n, snapshotOf(one)]));
          if (how === "load") await loadUsers(db.sql, [...live.values()], { lagMs: 0, fence: unfenced });
          else {
            const items = said.map(
              (one): Item => ({
                users: [
                  one.kind === "gone" ? gone(`user_${one.n}`, "webhook", one.at * 1000) : snapshotOf(one),
                ],
              }),
            );
            await applyItems(db.sql, items, { ...OPTIONS, dryRun: how === "dry" });
          }
        }
      };
      const watching = watch();
      await Promise.all(all.map(write)).finally(() => {
        isOver = true;
      });
      await watching;
      expect(await historyProblems(db.sql)).toEqual([]);
    }),
    { numRuns: 25 },
  );
}, 120_000);
