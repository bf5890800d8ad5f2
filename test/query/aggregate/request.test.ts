// Covers src/query/aggregate/request.ts

import { expect, test } from "vitest";
import { parseAggregate } from "../../../src/query/aggregate/request.js";
import { asked } from "./asked.js";

const { parse, refusalOf } = asked(parseAggregate);

test("everything has a default", () => {
  const usual = { filter: { kind: "and", all: [] }, groups: [], orders: [], limit: 1000, cumulative: false };
  expect(parse({})).toEqual(usual);
  expect(parse({ filter: {}, group_by: null, order_by: null, limit: null, cumulative: null })).toEqual(usual);
});

test("a group is a field, or a time with a bucket in UTC or another zone", () => {
  const { groups } = parse({
    group_by: [
      "banned",
      'public_metadata."a.b"',
      { field: "provider" },
      { field: "created_at", bucket: "day" },
      { field: "last_active_at", bucket: "hour", time_zone: "europe/berlin" },
    ],
  });
  expect(groups).toMatchObject([
    { kind: "value", of: { name: "banned" } },
    { kind: "value", of: { kind: "metadata", path: ["a.b"] } },
    { kind: "value", of: { name: "provider" } },
    { kind: "time", field: "created_at", bucket: "day", zone: "UTC" },
    { kind: "time", field: "last_active_at", bucket: "hour", zone: "Europe/Berlin" },
  ]);
});

test("days of activity are UTC days", () => {
  for (const time_zone of ["UTC", null]) {
    const { groups } = parse({
      group_by: [{ field: "active_day", bucket: "week", time_zone }],
      cumulative: true,
    });
    expect(groups).toMatchObject([{ kind: "time", field: "active_day", bucket: "week", zone: "UTC" }]);
  }
});

const DAY = { field: "created_at", bucket: "day" };
const ACTIVE = { field: "active_day", bucket: "day" };
const refused: [object, string][] = [
  [{ filters: {} }, "filters"],
  [{ filter: null }, "filter"],
  [{ filter: { nothing: 1 } }, "filter.nothing"],
  [{ group_by: "banned" }, "group_by"],
  [{ group_by: { field: "banned" } }, "group_by"],
  [{ group_by: ["banned", 5] }, "group_by[1]"],
  [{ group_by: [null] }, "group_by[0]"],
  [{ group_by: [["banned"]] }, "group_by[0]"],
  [{ group_by: ["colour"] }, "group_by[0]"],
  [{ group_by: ["any"] }, "group_by[0]"],
  [{ group_by: ["public_metadata"] }, "group_by[0]"],
  [{ group_by: ["public_metadata.a..b"] }, "group_by[0]"],
  [{ group_by: ["active_day"] }, "group_by[0]"],
  [{ group_by: [{ field: "active_day" }] }, "group_by[0].bucket"],
  [{ group_by: [{ field: "active_day", bucket: "hour" }] }, "group_by[0].bucket"],
  [{ group_by: [{ ...ACTIVE, time_zone: "Europe/Berlin" }] }, "group_by[0].time_zone"],
  [{ group_by: [{ ...ACTIVE, time_zone: 1 }] }, "group_by[0].time_zone"],
  [{ group_by: [ACTIVE, "banned", { ...ACTIVE, bucket: "week" }] }, "group_by[2]"],
  [{ group_by: [{}] }, "group_by[0].field"],
  [{ group_by: [{ field: 1 }] }, "group_by[0].field"],
  [{ group_by: [{ field: "colour" }] }, "group_by[0].field"],
  [{ group_by: [{ ...DAY, zone: "UTC" }] }, "group_by[0].zone"],
  [{ group_by: ["created_at"] }, "group_by[0]"],
  [{ group_by: [{ field: "created_at" }] }, "group_by[0].bucket"],
  [{ group_by: [{ ...DAY, bucket: "minute" }] }, "group_by[0].bucket"],
  [{ group_by: [{ field: "banned", bucket: "day" }] }, "group_by[0].bucket"],
  [{ group_by: [{ field: "public_metadata.at", time_zone: "UTC" }] }, "group_by[0].time_zone"],
  [{ group_by: [{ ...DAY, time_zone: "Mars/Olympus" }] }, "group_by[0].time_zone"],
  [{ group_by: [{ ...DAY, time_zone: 1 }] }, "group_by[0].time_zone"],
  [{ group_by: Array.from({ length: 6 }, () => "banned") }, "group_by"],
  [{ order_by: "count" }, "order_by"],
  [{ order_by: ["count", "key", "-key"] }, "order_by"],
  [{ order_by: ["-count", "created_at"] }, "order_by[1]"],
  [{ limit: 0 }, "limit"],
  [{ limit: 10_001 }, "limit"],
  [{ limit: 1.5 }, "limit"],
  [{ limit: "10" }, "limit"],
  [{ cumulative: "yes" }, "cumulative"],
  [{ cumulative: true }, "cumulative"],
  [{ group_by: ["banned", DAY], cumulative: true }, "cumulative"],
];
test.each(refused)("refuses %j, and says where it is wrong", (body, at) => {
  expect(refusalOf(body)).toEqual(["invalid_request", at]);
});

test("private metadata takes its scope in groups and filters alike", () => {
  const bodies = [
    { group_by: ["private_metadata.plan"] },
    { group_by: [{ field: "private_metadata.plan" }] },
    { filter: { "private_metadata.plan": "pro" } },
  ];
  for (const body of bodies) {
    expect(refusalOf(body)).toEqual(["forbidden", "private_metadata:read"]);
    expect(refusalOf(body, ["users:read", "private_metadata:read"])).toBeNull();
  }
});
