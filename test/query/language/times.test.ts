import fc from "fast-check";
import { expect, test } from "vitest";
import { parseTime } from "../../../src/query/language/times.js";
import { refusal } from "./refusal.js";

const NOW_MS = Date.UTC(2026, 10, 28, 12);
const HOUR_MS = 3_600_000;

test.each([
  [0, 0],
  [-1, -1],
  [8.64e15, 8.64e15],
  ["1970-01-01", 0],
  ["2024-02-29", Date.UTC(2024, 1, 29)],
  ["0001-01-01", Date.parse("0001-01-01T00:00:00Z")],
  ["2026-11-01T10:00", Date.UTC(2026, 10, 1, 10)],
  ["2026-11-01T10:00:00", Date.UTC(2026, 10, 1, 10)],
  ["2026-11-01T10:00Z", Date.UTC(2026, 10, 1, 10)],
  ["2026-11-01t10:00:59.5z", Date.UTC(2026, 10, 1, 10, 0, 59, 500)],
  ["2026-11-01T10:00:00,123456789Z", Date.UTC(2026, 10, 1, 10, 0, 0, 123)],
  ["2026-11-01T10:00:00+02:00", Date.UTC(2026, 10, 1, 8)],
  ["2026-11-01T10:00:00-0930", Date.UTC(2026, 10, 1, 19, 30)],
  ["2026-11-01T23:00:00-02", Date.UTC(2026, 10, 2, 1)],
  ["now", NOW_MS],
  ["now-30d", NOW_MS - 30 * 24 * HOUR_MS],
  ["now+1h", NOW_MS + HOUR_MS],
  ["now-90m", NOW_MS - 1.5 * HOUR_MS],
  ["now-0w", NOW_MS],
])("reads %j", (value, timeMs) => {
  expect(parseTime(value, NOW_MS, "here")).toBe(timeMs);
});

test.each([
  ...[null, true, 1.5, 1e300, -8.64e15 - 1, Number.POSITIVE_INFINITY, {}, []],
  ...[
    "",
    " ",
    "0",
    "1700000000000",
    "2026",
    "2026-11",
    "20261101",
    "2026-11-1",
    " 2026-11-01",
    "2026-11-01\n",
  ],
  ...["2026-02-29", "2026-04-31", "2026-13-01", "2026-00-10", "2026-01-00", "+002026-01-01"],
  ...["2026-11-01T", "2026-11-01T1:00", "2026-11-01T24:00", "2026-11-01T10:60", "2026-11-01T10:00:60"],
  ...[
    "2026-11-01 10:00",
    "2026-11-01Z",
    "2026-11-01T10:00:00.Z",
    "2026-11-01T10:00+24:00",
    "2026-11-01T10:00+01:60",
  ],
  ...["Now", "now -1d", "now-d", "now-1", "now-1s", "now-1y", "now1d", "now-1.5d", "now-1d-1h", "now--1d"],
  ...["now+999999999999w", "now-999999999999d", "tomorrow", "2026-11-01T10:00:00[Europe/Berlin]"],
])("refuses %j", (value) => {
  expect(refusal(() => parseTime(value, NOW_MS, "filter.created_at"))).toMatchObject({
    code: "invalid_request",
    path: "filter.created_at",
    longMessage: expect.stringContaining("filter.created_at must be a time"),
  });
});

test("reads every moment that JavaScript writes in ISO 8601 with four digits for the year", () => {
  const moments = fc.date({ min: new Date("0000-01-01"), max: new Date("9999-12-31"), noInvalidDate: true });
  fc.assert(
    fc.property(moments, (moment) => {
      expect(parseTime(moment.toISOString(), NOW_MS, "here")).toBe(moment.getTime());
    }),
  );
});
