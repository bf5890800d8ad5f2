// Covers src/query/aggregate/{aggregates,statement,groupings,spread,spans,known-spans,present,request}.ts

import fc from "fast-check";
import { describe, expect, vi } from "vitest";
import { SCOPES } from "../../../src/auth/scopes.js";
import { unwatched } from "../../../src/db/connection/availability.js";
import { OURSELVES } from "../../../src/lib/shares.js";
import { type Aggregates, createAggregates } from "../../../src/query/aggregate/aggregates.js";
import { BUCKETS, type Bucket } from "../../../src/query/aggregate/buckets.js";
import { parseAggregate } from "../../../src/query/aggregate/request.js";
import { createQueryEngine } from "../../../src/query/engine.js";
import { applyItems } from "../../../src/sync/apply/apply.js";
import { userSnapshot } from "../../../src/sync/fold/snapshot.js";
import { clerkUser } from "../../support/clerk-user.js";
import { type TestDatabase, test } from "../../support/database.js";
import { type ModelGroup, type ModelUser, modelAggregate } from "./model.js";
import { ACTIVE, CREATED, storePeople } from "./people.js";

const CASES = 200;

function aggregatesOf({ database }: TestDatabase): Aggregates {
  const deps = { guard: unwatched.guard, nowMs: Date.now };
  return createAggregates(createQueryEngine(database.readers, deps), deps);
}

async function ask(aggregates: Aggregates, body: object, nowMs = Date.now()) {
  const request = parseAggregate(JSON.stringify(body), { nowMs, scopes: new Set(SCOPES) });
  return JSON.parse(await aggregates.of(request, OURSELVES));
}

const ZONES = ["UTC", "Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu", undefined];
const VALUES = [
  "banned",
  "two_factor_enabled",
  "first_name",
  "last_name",
  "name",
  "email_address",
  "email_domain",
  "phone_number",
  "provider",
  "organization_id",
  "organization_role",
  "public_metadata.plan",
  'public_metadata.deep."a.b"',
  "unsafe_metadata.deep.plan",
  "unsafe_metadata.deep.0",
  "private_metadata.plan",
];

const timeGroup = fc.record({
  field: fc.constantFrom("created_at", "last_active_at"),
  bucket: fc.constantFrom(...BUCKETS),
  time_zone: fc.constantFrom(...ZONES),
});
const valueGroup = fc.constantFrom(...VALUES).map((field): ModelGroup => ({ field }));
const longTimeGroup = timeGroup.map((group) => ({ ...group, bucket: "week" as const }));
const dayGroup = timeGroup.map((group) => ({ ...group, bucket: "day" as const }));
const activeGroup = fc
  .constantFrom("day", "week", "month")
  .map((bucket): ModelGroup => ({ field: "active_day", bucket: bucket as Bucket }));
const groups: fc.Arbitrary<ModelGroup[]> = fc.oneof(
  fc.tuple(activeGroup),
  fc.tuple(activeGroup, valueGroup),
  fc.tuple(valueGroup, activeGroup, valueGroup),
  fc.tuple(activeGroup, longTimeGroup),
  fc.tuple(timeGroup),
  fc.tuple(valueGroup),
  fc.tuple(dayGroup, valueGroup),
  fc.tuple(valueGroup, longTimeGroup),
  fc.tuple(valueGroup, valueGroup),
  fc.tuple(longTimeGroup, valueGroup, valueGroup),
  fc.tuple(longTimeGroup, longTimeGroup),
);

interface Filter {
  filter: Record<string, unknown>;
  keeps: (user: ModelUser) => boolean;
  bounds: (field: string) => [number | null, number | null];
}

const plain = (filter: Record<string, unknown>, keeps: (user: ModelUser) => boolean): Filter => ({
  ...{ filter, keeps },
  bounds: () => [null, null],
});
const FILTERS: Filter[] = [
  plain({}, () => true),
  plain({ or: [] }, () => false),
  plain({ banned: true }, ({ fields }) => fields.banned === true),
  plain({ "public_metadata.plan": "pro" }, ({ fields }) => {
    return (fields.public_metadata as { plan?: unknown }).plan === "pro";
  }),
  plain({ not: { provider: "google" } }, ({ lists }) => {
    return !lists.provider?.some((provider) => /^(oauth_)?google$/.test(String(provider)));
  }),
  plain({ organization_id: "org_1" }, ({ lists }) => lists.organization_id?.includes("org_1") === true),
  plain({ or: [{ created_at: { lt: CREATED.fromMs } }, { email_domain: "gmail.com" }] }, ({ lists }) => {
    return lists.email_address?.some((email) => String(email).endsWith("@gmail.com")) === true;
  }),
];

/** Bounds on a time, each one once or not at all, and perhaps with nothing between them. */
const boundFilter = fc
  .record({
    field: fc.constantFrom("created_at", "last_active_at"),
    lower: fc.option(fc.tuple(fc.constantFrom("gt", "gte"), fc.integer({ min: -10, max: 110 }))),
    upper: fc.option(fc.tuple(fc.constantFrom("lt", "lte"), fc.integer({ min: -10, max: 110 }))),
  })
  .map(({ field, lower, upper }): Filter => {
    const { fromMs, toMs } = field === "created_at" ? CREATED : ACTIVE;
    const step = Math.floor((toMs - fromMs) / 100 / 900_000) * 900_000;
    const given = [lower, upper].flatMap((bound) =>
      bound ? [[bound[0], fromMs + bound[1] * step] as const] : [],
    );
    const from = lower ? fromMs + lower[1] * step + (lower[0] === "gt" ? 1 : 0) : null;
    const to = upper ? fromMs + upper[1] * step - (upper[0] === "lt" ? 1 : 0) : null;
    return {
      // One of them as an entry of its own: all that must hold counts.
      filter: { and: given.map(([operator, ms]) => ({ [field]: { [operator]: ms } })) },
      keeps: ({ fields }) => {
        const ms = fields[field];
        if (given.length === 0) return true;
        return typeof ms === "number" && (from === null || ms >= from) && (to === null || ms <= to);
      },
      bounds: (other) => (other === field ? [from, to] : [null, null]),
    };
  });

const orders = fc.oneof(
  fc.constant([]),
  fc.constantFrom(["count"], ["-count"], ["key"], ["-key"], ["-count", "-key"], ["key", "count"]),
);

describe("aggregates", () => {
  test("agree with an independent model for random groups, zones, filters, orders and limits", async ({
    db,
  }) => {
    const users = await storePeople(db, 150);
    const aggregates = aggregatesOf(db);
    const seen = { filled: 0, cut: 0, cumulative: 0 };
    await fc.assert(
      fc.asyncProperty(
        groups,
        fc.oneof(fc.constantFrom(...FILTERS), boundFilter),
        orders,
        fc.constantFrom(1, 7, 100, 10_000),
        fc.boolean(),
        async (groups, { filter, keeps, bounds }, orders, limit, wantsCumulative) => {
          const cumulative = wantsCumulative && groups[0]?.bucket !== undefined;
          const body = { filter, group_by: groups, order_by: orders, limit, cumulative };
          const found = await ask(aggregates, body);
          const expected = modelAggregate(users, {
            ...{ keeps, groups, orders, limit, cumulative },
            bounds: groups.map(({ field }) => bounds(field)),
          });
          expect({ body, ...found }).toEqual({ body, ...expected });
          if (expected.other > 0) seen.cut++;
          if (expected.data.some(({ count }) => count === 0)) seen.filled++;
          if (cumulative) seen.cumulative++;
        },
      ),
      { numRuns: CASES },
    );
    // None of these is rare.
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(CASES / 20);
  }, 150_000);
});

const add = (db: TestDatabase, fields: { id: string } & Record<string, unknown>) =>
  applyItems(db.sql, [{ users: [userSnapshot(clerkUser(fields), "page", 1)] }], { lagMs: 0 });

const DAYS = { group_by: [{ field: "created_at", bucket: "day" }] };

describe("an aggregate", () => {
  test("without groups is the count of all, in one row without keys", async ({ db }) => {
    await add(db, { id: "user_1", banned: true });
    await add(db, { id: "user_2" });
    const aggregates = aggregatesOf(db);
    expect(await ask(aggregates, {})).toEqual({ data: [{ count: 2 }], other: 0, total: 2 });
    expect(await ask(aggregates, { filter: { banned: true }, group_by: [] })).toEqual({
      ...{ data: [{ count: 1 }], other: 0, total: 1 },
    });
    expect(await ask(aggregates, { filter: { or: [] } })).toEqual({
      data: [{ count: 0 }],
      other: 0,
      total: 0,
    });
  });

  test("of nobody has no rows, but the empty buckets between two bounds", async ({ db }) => {
    const aggregates = aggregatesOf(db);
    expect(await ask(aggregates, DAYS)).toEqual({ data: [], other: 0, total: 0 });
    const created_at = { gte: "2026-01-01", lt: "2026-01-03" };
    expect(await ask(aggregates, { ...DAYS, filter: { created_at } })).toEqual({
      data: [
        { keys: ["2026-01-01"], count: 0 },
        { keys: ["2026-01-02"], count: 0 },
      ],
      ...{ other: 0, total: 0 },
    });
  });

  test("is made once while nothing changes, and anew after each commit", async ({ db }) => {
    const { database } = db;
    let begun = 0;
    const searches = new Proxy(database.readers.searches, {
      get(target, name) {
        if (name === "begin") begun++;
        return Reflect.get(target, name);
      },
    });
    const deps = { guard: unwatched.guard, nowMs: Date.now };
    const aggregates = createAggregates(createQueryEngine({ ...database.readers, searches }, deps), deps);
    for (let users = 1; users <= 3; users++) {
      await add(db, { id: `user_${users}`, created_at: Date.parse("2026-05-01") + users * 86_400_000 });
      const asked = await Promise.all(Array.from({ length: 10 }, () => ask(aggregates, DAYS)));
      expect(asked.map(({ total, data }) => [total, data.length])).toEqual(asked.map(() => [users, users]));
      expect([(await ask(aggregates, DAYS)).total, begun]).toEqual([users, users]);
    }
    await ask(aggregates, { ...DAYS, limit: 1 });
    await ask(aggregates, { ...DAYS, cumulative: true });
    expect(begun).toBe(5);
  });

  test("counts somebody whose time came after the last one was read", async ({ db }) => {
    await add(db, { id: "user_1", created_at: Date.parse("2026-05-01") });
    const deps = { guard: unwatched.guard, nowMs: Date.now };
    const engine = createQueryEngine(db.database.readers, deps);
    let adding: Promise<unknown> | null = null;
    const run: typeof engine.run = async (statement, ...others) => {
      const rows = await engine.run(statement, ...others);
      if (statement.text.includes("min(s.created_at)")) {
        adding ??= add(db, { id: "user_2", created_at: Date.parse("2026-05-03T23:59:59Z") });
        await adding;
      }
      return rows;
    };
    const { data, total } = await ask(createAggregates({ ...engine, run }, deps), DAYS);
    expect(data.map(({ keys, count }: { keys: string[]; count: number }) => [...keys, count])).toEqual([
      ["2026-05-01", 1],
      ["2026-05-02", 0],
      ["2026-05-03", 1],
    ]);
    expect(total).toBe(2);
  });

  test("of days of activity is made anew when a day comes to light of somebody who is as before", async ({
    db,
  }) => {
    const weeks = { group_by: [{ field: "active_day", bucket: "week" }] };
    const seen = (id: string, last_active_at: string, updated_at = 1) =>
      add(db, { id, updated_at, last_active_at: Date.parse(last_active_at) });
    await seen("user_1", "2026-05-13");
    await add(db, { id: "user_2" });
    const aggregates = aggregatesOf(db);
    expect(await ask(aggregates, weeks)).toEqual({
      data: [
        { keys: ["2026-05-11"], count: 1 },
        { keys: [null], count: 1 },
      ],
      ...{ other: 0, total: 2 },
    });
    const [before] = await db.sql`select max(position) as position from mirror_data.changes`;
    await seen("user_1", "2026-04-30", 0);
    expect(await db.sql`select max(position) as position from mirror_data.changes`).toEqual([before]);
    expect(await ask(aggregates, weeks)).toEqual({
      data: [
        { keys: ["2026-04-27"], count: 1 },
        { keys: ["2026-05-04"], count: 0 },
        { keys: ["2026-05-11"], count: 1 },
        { keys: [null], count: 1 },
      ],
      ...{ other: 0, total: 2 },
    });
    expect((await ask(aggregates, { ...weeks, filter: { id: "user_2" } })).data).toEqual([
      { keys: [null], count: 1 },
    ]);
  });

  test("of days of activity isn't spoilt by times that can't be, nor by days whose users are gone", async ({
    db,
  }) => {
    const days = { group_by: [{ field: "active_day", bucket: "day" }] };
    const times = { user_1: "2026-05-13", user_2: "1970-01-01", user_3: "2100-01-01", user_4: "1999-01-01" };
    for (const [id, time] of Object.entries(times)) await add(db, { id, last_active_at: Date.parse(time) });
    await add(db, { id: "user_5", last_active_at: 1.7e15 });
    await add(db, { id: "user_6", last_active_at: 2 ** 53 - 1 });
    const gone = { kind: "gone", id: "user_4", observedAtMs: Date.now(), source: "webhook" } as const;
    await applyItems(db.sql, [{ users: [gone] }], { lagMs: 0 });
    for (const filter of [{}, { not: { id: "user_9" } }]) {
      expect(await ask(aggregatesOf(db), { ...days, filter })).toEqual({
        data: [
          { keys: ["2026-05-13"], count: 1 },
          { keys: [null], count: 4 },
        ],
        ...{ other: 0, total: 5 },
      });
    }
  });

  test("tells who is locked at this moment", async ({ db }) => {
    await add(db, { id: "user_1" });
    await add(db, { id: "user_2", locked: true, lockout_expires_in_seconds: 3600 });
    const deps = { guard: unwatched.guard, nowMs: () => nowMs };
    const aggregates = createAggregates(createQueryEngine(db.database.readers, deps), deps);
    const locked = async () => (await ask(aggregates, { group_by: ["locked"], order_by: ["key"] })).data;
    // It was seen in the first millisecond of 1970.
    let nowMs = 1000;
    expect(await locked()).toEqual([
      { keys: [false], count: 1 },
      { keys: [true], count: 1 },
    ]);
    nowMs += 86_400_000;
    expect(await locked()).toEqual([{ keys: [false], count: 2 }]);
  });

  test("takes numbers as they are written, and 5 and 5.0 for one", async ({ db }) => {
    for (const id of ["a", "b", "c"]) await add(db, { id: `user_${id}` });
    const set = (id: string, json: string) =>
      db.sql.unsafe(
        `update mirror_data.user_metadata set public_metadata = '{"n":${json}}' where id = 'user_${id}'`,
      );
    await set("a", "5");
    await set("b", "[5.0, 5]");
    await set("c", "12345678901234567890123");
    const request = parseAggregate('{"group_by":["public_metadata.n"],"order_by":["key"]}', {
      ...{ nowMs: 0, scopes: new Set(SCOPES) },
    });
    const text = await aggregatesOf(db).of(request, OURSELVES);
    expect(text).toMatch(
      /^\{"data":\[\{"keys":\[5(\.0)?\],"count":2\},\{"keys":\[12345678901234567890123\],"count":1\}\]/,
    );
  });

  test("takes buckets by the times of those whom the filter keeps", async ({ db }) => {
    await add(db, { id: "user_1", created_at: 0 });
    for (const [id, time] of Object.entries({ user_2: "2026-05-01T10:10Z", user_3: "2026-05-01T12:20Z" })) {
      await add(db, { id, created_at: Date.parse(time), first_name: "Bo" });
    }
    const aggregates = aggregatesOf(db);
    const hours = (filter: object) =>
      ask(aggregates, { group_by: [{ field: "created_at", bucket: "hour" }], filter });
    expect((await hours({ first_name: "Bo" })).data).toEqual([
      { keys: ["2026-05-01T10:00"], count: 1 },
      { keys: ["2026-05-01T11:00"], count: 0 },
      { keys: ["2026-05-01T12:00"], count: 1 },
    ]);
    const nobody = { first_name: "Nobody", created_at: { lt: "2026-06-01" } };
    expect(await hours(nobody)).toEqual({ data: [], other: 0, total: 0 });
  });

  test("is refused where there are too many buckets, or too many rows without users", async ({ db }) => {
    await add(db, { id: "user_1", created_at: 0 });
    await add(db, { id: "user_2", created_at: Date.parse("2026-05-01"), first_name: "Bo" });
    const aggregates = aggregatesOf(db);
    const hours = { field: "created_at", bucket: "hour", time_zone: "Europe/Berlin" };
    const refusal = (body: object) =>
      ask(aggregates, body).then(
        () => null,
        ({ code, meta }) => [code, meta.param_name],
      );
    expect(await refusal({ group_by: ["banned", hours] })).toEqual(["invalid_request", "group_by[1]"]);
    const sinceThen = { created_at: { gte: "2026-01-01" } };
    expect(await refusal({ group_by: ["banned", hours], filter: sinceThen })).toBeNull();
    const twice = { group_by: [...DAYS.group_by, { field: "created_at", bucket: "day" }] };
    expect(await refusal(twice)).toEqual(["invalid_request", "group_by"]);
    // Rows without users come last.
    expect(await ask(aggregates, { ...twice, order_by: ["-count"], limit: 2 })).toEqual({
      data: [
        { keys: ["1970-01-01", "1970-01-01"], count: 1 },
        { keys: ["2026-05-01", "2026-05-01"], count: 1 },
      ],
      ...{ other: 0, total: 2 },
    });
    expect(await refusal({ ...twice, order_by: ["-count"], limit: 3 })).toEqual([
      "invalid_request",
      "group_by",
    ]);
    // More of them than a bigint holds.
    const fiveTimes = {
      filter: { created_at: { gte: "1980-01-01", lt: "2048-01-01" } },
      group_by: Array.from({ length: 5 }, () => ({ field: "created_at", bucket: "day" })),
    };
    expect(await refusal(fiveTimes)).toEqual(["invalid_request", "group_by"]);
    expect(await refusal({ ...fiveTimes, order_by: ["-count"], limit: 2 })).toEqual([
      "invalid_request",
      "group_by",
    ]);
  });

  test("looks at no zone's clocks for what is refused all the same", async ({ db }) => {
    const Format = Intl.DateTimeFormat;
    const looked = vi.spyOn(Intl, "DateTimeFormat").mockImplementation(function make(...given) {
      return new Format(...given);
    });
    const months = (time_zone: string) => ({ field: "created_at", bucket: "month", time_zone });
    const asked = ask(aggregatesOf(db), {
      filter: { created_at: { gte: "1850-01-01", lt: "2049-01-01" } },
      group_by: ["Europe/Rome", "Asia/Kolkata", "Africa/Cairo", "America/Lima"].map(months),
    });
    await expect(asked).rejects.toMatchObject({ code: "invalid_request", meta: { param_name: "group_by" } });
    // They are read from a format of their own.
    expect(looked.mock.calls.filter(([, options]) => options?.timeZoneName)).toEqual([]);
    looked.mockRestore();
  });
});
