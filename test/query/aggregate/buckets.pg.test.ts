// Covers src/query/aggregate/{buckets,zones}.ts

import fc from "fast-check";
import { describe, expect } from "vitest";
import {
  BUCKETS,
  type Bucket,
  isCountable,
  leastBuckets,
  seriesOf,
} from "../../../src/query/aggregate/buckets.js";
import { zoneNamed } from "../../../src/query/aggregate/zones.js";
import { type TestDatabase, test } from "../../support/database.js";

const MINUTE_MS = 60_000;
const at = (text: string) => Date.parse(text);

/** Zones with everything that clocks do, each with moments at which they did it. */
const CHANGES: Record<string, string[]> = {
  UTC: ["2026-03-29T01:00Z"],
  "Europe/Berlin": ["2026-03-29T01:00Z", "2026-10-25T01:00Z", "1980-04-05T23:00Z"],
  "Europe/Dublin": ["2026-10-25T01:00Z"],
  "America/New_York": ["2026-03-08T07:00Z", "2026-11-01T06:00Z"],
  "America/St_Johns": ["2005-10-30T02:31Z", "2005-04-03T03:31Z", "1988-10-30T02:31Z"],
  "America/Sao_Paulo": ["2018-11-04T03:00Z", "2018-02-18T02:00Z"],
  "America/Caracas": ["2016-05-01T07:00Z", "2007-12-09T07:00Z"],
  "Africa/Cairo": ["2026-04-23T22:00Z", "2026-10-29T21:00Z"],
  "Asia/Kathmandu": ["1985-12-31T18:30Z"],
  "Asia/Pyongyang": ["2015-08-14T15:00Z", "2018-05-04T15:00Z"],
  "Australia/Lord_Howe": ["2026-04-04T15:00Z", "2026-10-03T15:30Z"],
  "Australia/Adelaide": ["2026-04-04T16:30Z", "2026-10-03T16:30Z"],
  "Pacific/Apia": ["2011-12-30T10:00Z"],
  "Pacific/Chatham": ["2026-04-04T14:00Z", "2026-09-26T14:00Z"],
  "Pacific/Kiritimati": ["1994-12-31T10:40Z"],
  "Pacific/Kwajalein": ["1993-08-21T12:00Z"],
  "Antarctica/Troll": ["2026-03-29T01:00Z", "2026-10-25T01:00Z"],
  "Antarctica/Casey": ["2009-10-17T18:00Z", "2010-03-04T15:00Z"],
  "Etc/GMT+12": ["2026-10-25T01:00Z"],
};
const ZONES = Object.keys(CHANGES);

/** By Postgres and its own table of zones: when, to the minute, another bucket begins, and how it is called. */
async function runsOf({ sql }: TestDatabase, bucket: Bucket, zone: string, fromMs: number, toMs: number) {
  // An hour can occur again a day later, where a country has moved to the other side of the date line.
  const marginMs = bucket === "hour" ? 1500 * MINUTE_MS : 0;
  const rows = await sql<{ ms: number; label: string }[]>`
    with minutes as (
      select t, date_trunc(${bucket}, t at time zone ${zone}) as local,
        extract(epoch from (t at time zone ${zone}) - (t at time zone 'UTC'))::int / 60 as ahead
      from generate_series(to_timestamp(${fromMs - marginMs}::bigint / 1000.0),
        to_timestamp(${toMs + marginMs}::bigint / 1000.0), interval '1 minute') as t),
    named as (
      select (extract(epoch from t) * 1000)::bigint as ms,
        case when ${bucket} <> 'hour' then to_char(local, 'YYYY-MM-DD')
        else to_char(local, 'YYYY-MM-DD"T"HH24:MI') || case
          when min(ahead) over same = max(ahead) over same then ''
          else case when ahead < 0 then '-' else '+' end || to_char(abs(ahead) / 60, 'FM00') || ':' || to_char(abs(ahead) % 60, 'FM00')
        end end as label
      from minutes window same as (partition by local))
    select ms, label from (
      select *, lag(label) over (order by ms) as before from named
      where ms between ${fromMs} and ${toMs}) as spanned
    where before is distinct from label order by ms`;
  return rows.map(({ ms, label }) => ({ ms, label }));
}

async function expectSame(db: TestDatabase, bucket: Bucket, zone: string, fromMs: number, toMs: number) {
  const expected = await runsOf(db, bucket, zone, fromMs, toMs);
  const { labels, starts, numbers } = await seriesOf(bucket, zone, { fromMs, toMs });
  const runs = starts.map((ms, n) => ({ ms, label: labels[numbers[n] ?? -1] }));
  expect({ bucket, zone, runs }).toEqual({ bucket, zone, runs: expected });
  expect(labels).toEqual([...new Set(expected.map(({ label }) => label))]);
}

describe("the buckets of a zone", () => {
  test("agree with Postgres to the minute where clocks are changed", async ({ db }) => {
    for (const [zone, moments] of Object.entries(CHANGES)) {
      for (const ms of moments.map(at)) {
        for (const bucket of BUCKETS) {
          await expectSame(db, bucket, zone, ms - 300 * MINUTE_MS, ms + 300 * MINUTE_MS);
        }
      }
    }
  });

  test("agree with Postgres for spans at random", async ({ db }) => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...BUCKETS),
        fc.constantFrom(...ZONES),
        // From 1973, since when clocks have been changed by whole minutes everywhere, to 2037.
        fc.integer({ min: 53_000, max: 1_170_000 }),
        fc.integer({ min: 0, max: 2000 }),
        async (bucket, zone, halfHour, minutes) => {
          const fromMs = halfHour * 30 * MINUTE_MS;
          await expectSame(db, bucket, zone, fromMs, fromMs + minutes * MINUTE_MS);
        },
      ),
      { numRuns: 100 },
    );
  });

  test("are each one once over many years, and leave out a day that never was", async () => {
    const days = await seriesOf("day", "Pacific/Apia", {
      fromMs: at("2000-01-01T11:00Z"),
      toMs: at("2019-12-31T09:00Z"),
    });
    expect(days.labels).toHaveLength(20 * 365 + 5 - 1);
    expect(days.labels).not.toContain("2011-12-30");
    expect(new Set(days.labels).size).toBe(days.labels.length);
    const weeks = await seriesOf("week", "Europe/Berlin", {
      fromMs: at("1969-12-31T00:00Z"),
      toMs: at("1970-01-05T00:00Z"),
    });
    expect(weeks.labels).toEqual(["1969-12-29", "1970-01-05"]);
    const months = await seriesOf("month", "Asia/Kolkata", {
      fromMs: at("2026-01-31T18:29:59.999Z"),
      toMs: at("2026-02-28T18:30Z"),
    });
    expect(months.labels).toEqual(["2026-01-01", "2026-02-01", "2026-03-01"]);
  });

  test("say the offset of hours that occur twice to the second", async () => {
    const { labels } = await seriesOf("hour", "Europe/Paris", {
      fromMs: at("1911-03-10T22:30Z"),
      toMs: at("1911-03-11T00:30Z"),
    });
    expect(labels).toEqual([
      "1911-03-10T22:00",
      "1911-03-10T23:00+00:09:21",
      "1911-03-10T23:00+00:00",
      "1911-03-11T00:00",
    ]);
  });
});

test("a span has no fewer buckets than are told beforehand", async () => {
  for (const zone of ["UTC", "America/New_York", "Australia/Lord_Howe", "Pacific/Kwajalein", "Asia/Manila"]) {
    for (const bucket of BUCKETS) {
      for (const [fromMs, days] of [
        [Date.UTC(1969, 8, 29), 4] as const,
        [Date.UTC(2025, 0, 30), 400] as const,
      ]) {
        const span = { fromMs, toMs: fromMs + days * 1440 * MINUTE_MS };
        const { labels } = await seriesOf(bucket, zone, span);
        expect(leastBuckets(bucket, span)).toBeLessThanOrEqual(labels.length);
        expect(leastBuckets(bucket, span)).toBeGreaterThanOrEqual(labels.length / 2 - 2);
      }
    }
  }
});

test("spans of too many buckets, and times that are no date, are told beforehand", () => {
  const years = (count: number) => ({ fromMs: 0, toMs: count * 365 * 1440 * MINUTE_MS });
  expect(BUCKETS.map((bucket) => isCountable(bucket, years(68)))).toEqual([false, true, true, true]);
  expect(BUCKETS.map((bucket) => isCountable(bucket, years(500)))).toEqual([false, false, false, false]);
  expect(isCountable("hour", years(2.8))).toBe(true);
  expect(isCountable("month", { fromMs: 2 ** 53, toMs: 2 ** 53 })).toBe(false);
});

test("zones have the names of the IANA, in any case", () => {
  expect(["europe/berlin", "UTC", "US/Pacific"].map(zoneNamed)).toEqual([
    "Europe/Berlin",
    "UTC",
    "America/Los_Angeles",
  ]);
  expect(["", "Mars/Olympus", " UTC", "Europe/Berlin\0", "x".repeat(9999)].map(zoneNamed)).toEqual([
    null,
    null,
    null,
    null,
    null,
  ]);
});
