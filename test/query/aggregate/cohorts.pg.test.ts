// Covers src/query/aggregate/{cohorts,cohorts-statement,periods,activity-state,active-bits}.ts

import fc from "fast-check";
import { describe, expect } from "vitest";
import { SCOPES } from "../../../src/auth/scopes.js";
import { unwatched } from "../../../src/db/connection/availability.js";
import { OURSELVES } from "../../../src/lib/shares.js";
import { type Cohorts, createCohorts } from "../../../src/query/aggregate/cohorts.js";
import { parseRetention } from "../../../src/query/aggregate/cohorts-request.js";
import { createQueryEngine } from "../../../src/query/engine.js";
import { applyItems } from "../../../src/sync/apply/apply.js";
import { userSnapshot } from "../../../src/sync/fold/snapshot.js";
import { clerkUser } from "../../support/clerk-user.js";
import { type TestDatabase, test } from "../../support/database.js";

const DAY_MS = 86_400_000;
const at = (text: string) => Date.parse(text);
const NOW = at("2026-06-18T15:00Z");

function retentionOf({ database }: TestDatabase, nowMs = () => NOW): Cohorts {
  const deps = { guard: unwatched.guard, nowMs };
  return createCohorts(createQueryEngine(database.readers, deps), deps);
}

async function ask(retention: Cohorts, body: object) {
  const request = parseRetention(JSON.stringify(body), { nowMs: NOW, scopes: new Set(SCOPES) });
  return JSON.parse(await retention.of(request, OURSELVES));
}

/** Keeps days of activity since this moment; null: not at all. */
async function keepSince({ sql }: TestDatabase, ms: number | null) {
  await sql`delete from mirror_data.upstream`;
  await sql`
    insert into mirror_data.upstream (api_url, environment, activity_since)
    values ('https://api.clerk.com', 'test', ${ms})`;
}

interface Person {
  id: string;
  created_at: number;
  banned: boolean;
  visits: readonly number[];
}

async function store({ sql }: TestDatabase, people: readonly Person[]) {
  const seen = ({ visits, ...fields }: Person, last_active_at: number | null, updated_at: number) => ({
    users: [userSnapshot(clerkUser({ ...fields, last_active_at, updated_at }), "page", updated_at)],
  });
  const all = people.flatMap((person) => [
    seen(person, null, 1),
    ...person.visits.map((ms, n) => seen(person, ms, n % 3)),
  ]);
  await applyItems(sql, all, { lagMs: 0 });
}

const ZONES = ["UTC", "Europe/Berlin", "America/Los_Angeles", "Pacific/Kiritimati"];
/** To make a format takes a hundred times as long as to use it. */
const formats = new Map(
  ZONES.map((timeZone) => [timeZone, new Intl.DateTimeFormat("sv-SE", { timeZone, dateStyle: "short" })]),
);

/** What a zone's clocks show of a moment, as a date. */
const localDate = (zone: string, ms: number) => formats.get(zone)?.format(ms) ?? "";

/** The first date of the week or month that a date is in. */
function startOf(cohort: string, date: string): string {
  if (cohort === "month") return `${date.slice(0, 8)}01`;
  let day = at(date);
  while (new Date(day).getUTCDay() !== 1) day -= DAY_MS;
  return localDate("UTC", day);
}

function next(cohort: string, start: string): string {
  let day = at(start) + DAY_MS;
  while (startOf(cohort, localDate("UTC", day)) === start) day += DAY_MS;
  return localDate("UTC", day);
}

interface Asked {
  cohort: string;
  periods: number;
  zone: string;
  from: number | null;
  to: number | null;
}

/** Counts person by person and date by date. */
function model(people: readonly Person[], { cohort, periods, zone, from, to }: Asked, sinceMs: number) {
  const named = (ms: number) => startOf(cohort, localDate(zone, ms));
  const cohortOf = new Map(people.map((person) => [person, named(person.created_at)]));
  const starts = [...cohortOf.values()].sort();
  if (starts.length === 0 && (from === null || to === null)) return { data: [] };
  if (from !== null && to !== null && from > to) return { data: [] };
  const [first, last] = [from === null ? starts[0] : named(from), to === null ? starts.at(-1) : named(to)];
  const data = [];
  for (let start = first ?? ""; start <= (last ?? ""); start = next(cohort, start)) {
    const those = people.filter((person) => cohortOf.get(person) === start);
    const active: (number | null)[] = [];
    for (let period = start; active.length < periods; period = next(cohort, period)) {
      const end = next(cohort, period);
      const isTold = at(end) > Math.floor(sinceMs / DAY_MS) * DAY_MS && at(period) <= NOW;
      const here = those.filter(({ visits }) => visits.some((ms) => ms >= at(period) && ms < at(end)));
      active.push(isTold ? here.length : null);
    }
    data.push({ cohort: start, users: those.length, active });
  }
  return { data };
}

const within = (from: string, to: string) => fc.integer({ min: at(from), max: at(to) });
const person = fc.record({
  created_at: fc.oneof(
    within("2026-02-20", "2026-06-18T15:00Z"),
    // Around midnight on Sundays and at the end of months, where zones differ.
    within("2026-05-03T20:00Z", "2026-05-04T04:00Z"),
    within("2026-03-31T20:00Z", "2026-04-01T16:00Z"),
  ),
  banned: fc.boolean(),
  visits: fc.array(within("2026-02-20", "2026-06-18T15:00Z"), { maxLength: 8 }),
});

describe("retention", () => {
  test("agrees with an independent model for random zones, periods, filters and beginnings of the history", async ({
    db,
  }) => {
    const made = fc.sample(person, { numRuns: 1500, seed: 5 });
    const people = made.map((one, n) => ({ ...one, id: `user_${String(n).padStart(4, "0")}` }));
    await store(db, people);
    const retention = retentionOf(db);
    const asked = fc.record({
      cohort: fc.constantFrom("week", "month"),
      periods: fc.integer({ min: 1, max: 20 }),
      zone: fc.constantFrom(...ZONES),
      banned: fc.constantFrom(true, false, null),
      from: fc.option(within("2026-02-01", "2026-06-01")),
      to: fc.option(within("2026-05-01", "2026-07-15")),
      since: within("2026-02-01", "2026-06-18T15:00Z"),
    });
    await fc.assert(
      fc.asyncProperty(asked, async ({ since, banned, ...request }) => {
        await keepSince(db, since);
        const { cohort, periods, zone, from, to } = request;
        const bounds = { ...(from !== null && { gte: from }), ...(to !== null && { lte: to }) };
        const filter = {
          ...(banned !== null && { banned }),
          ...(Object.keys(bounds).length > 0 && { created_at: bounds }),
        };
        const kept = people.filter(
          (one) =>
            (banned === null || one.banned === banned) &&
            one.created_at >= (from ?? 0) &&
            one.created_at <= (to ?? Number.POSITIVE_INFINITY),
        );
        const body = { filter, cohort, periods, time_zone: zone };
        expect({ body, ...(await ask(retention, body)) }).toEqual({ body, ...model(kept, request, since) });
      }),
      { numRuns: 60 },
    );
  });

  test("of nobody has no cohorts, but the empty ones between two bounds", async ({ db }) => {
    await keepSince(db, at("2026-05-01"));
    const retention = retentionOf(db);
    expect(await ask(retention, {})).toEqual({ data: [] });
    const created_at = { gte: "2026-06-08", lt: "2026-06-22" };
    expect(await ask(retention, { filter: { created_at }, periods: 2 })).toEqual({
      data: [
        { cohort: "2026-06-08", users: 0, active: [0, 0] },
        { cohort: "2026-06-15", users: 0, active: [0, null] },
      ],
    });
  });

  test("counts those who exist, and tells nothing where no days are kept", async ({ db }) => {
    await keepSince(db, at("2026-06-01"));
    const visits = [at("2026-06-09"), at("2026-06-16")];
    await store(
      db,
      ["user_1", "user_2"].map((id) => ({ id, created_at: at("2026-06-08"), banned: false, visits })),
    );
    let nowMs = NOW;
    const retention = retentionOf(db, () => nowMs);
    const june = async () => (await ask(retention, { periods: 3 })).data;
    expect(await june()).toEqual([{ cohort: "2026-06-08", users: 2, active: [2, 2, null] }]);
    nowMs = at("2026-06-22");
    expect(await june()).toEqual([{ cohort: "2026-06-08", users: 2, active: [2, 2, 0] }]);
    await applyItems(
      db.sql,
      [{ users: [{ kind: "gone", id: "user_1", observedAtMs: NOW, source: "webhook" }] }],
      { lagMs: 0 },
    );
    expect(await june()).toEqual([{ cohort: "2026-06-08", users: 1, active: [1, 1, 0] }]);
    await keepSince(db, null);
    expect(await june()).toEqual([{ cohort: "2026-06-08", users: 1, active: [null, null, null] }]);
  });

  test("is refused where there are too many cohorts", async ({ db }) => {
    await keepSince(db, 0);
    const created_at = { gte: "1900-01-01", lt: "2026-01-01" };
    const asked = ask(retentionOf(db), { filter: { created_at }, periods: 100 });
    await expect(asked).rejects.toMatchObject({ code: "invalid_request", meta: { param_name: "cohort" } });
    expect((await ask(retentionOf(db), { filter: { created_at }, cohort: "month" })).data).toHaveLength(
      126 * 12,
    );
  });
});
