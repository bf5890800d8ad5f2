// Covers src/query/aggregate/cohorts-request.ts

import { expect, test } from "vitest";
import { parseRetention } from "../../../src/query/aggregate/cohorts-request.js";
import { asked } from "./asked.js";

const { parse, refusalOf } = asked(parseRetention);

test("everything has a default", () => {
  const usual = { filter: { kind: "and", all: [] }, cohort: "week", periods: 12, zone: "UTC" };
  expect(parse({})).toEqual(usual);
  expect(parse({ filter: {}, cohort: null, periods: null, time_zone: null })).toEqual(usual);
});

test("takes a filter, weeks or months, how many of them, and a zone", () => {
  const body = { filter: { banned: true }, cohort: "month", periods: 100, time_zone: "asia/tokyo" };
  expect(parse(body)).toMatchObject({
    filter: { field: "banned" },
    cohort: "month",
    periods: 100,
    zone: "Asia/Tokyo",
  });
});

const refused: [object, string][] = [
  [{ cohorts: "week" }, "cohorts"],
  [{ filter: null }, "filter"],
  [{ filter: { nothing: 1 } }, "filter.nothing"],
  [{ cohort: "day" }, "cohort"],
  [{ cohort: 7 }, "cohort"],
  [{ periods: 0 }, "periods"],
  [{ periods: 101 }, "periods"],
  [{ periods: 1.5 }, "periods"],
  [{ periods: "12" }, "periods"],
  [{ time_zone: "Mars/Olympus" }, "time_zone"],
  [{ time_zone: 1 }, "time_zone"],
];
test.each(refused)("refuses %j, and says where it is wrong", (body, at) => {
  expect(refusalOf(body)).toEqual(["invalid_request", at]);
});

test("private metadata takes its scope in the filter", () => {
  const body = { filter: { "private_metadata.plan": "pro" } };
  expect(refusalOf(body)).toEqual(["forbidden", "private_metadata:read"]);
  expect(refusalOf(body, ["users:read", "private_metadata:read"])).toBeNull();
});
