import { expect, test } from "vitest";
import { firstDay, rangeOf, zoneOf } from "../../../../src/http/dashboard/model/range.js";

test("ranges and zones of an address are those that exist, and the default otherwise", () => {
  expect([rangeOf("365d"), rangeOf("constructor"), rangeOf(null)]).toEqual(["365d", "90d", "90d"]);
  expect([zoneOf("Europe/Berlin"), zoneOf("Mars/Base"), zoneOf(""), zoneOf(null)]).toEqual([
    ...["Europe/Berlin", "UTC", "UTC", "UTC"],
  ]);
});

test("a range ends today and has as many days as it says", () => {
  expect(firstDay("30d", Date.UTC(2026, 10, 30, 23, 59))).toBe("2026-11-01");
});
