import { expect, test } from "vitest";
import { SCOPES } from "../../../src/auth/scopes.js";
import { compiled } from "../../../src/query/aggregate/known-spans.js";
import { parseAggregate } from "../../../src/query/aggregate/request.js";
import { aggregateStatement } from "../../../src/query/aggregate/statement.js";

const NOW = Date.parse("2026-06-18");
const DAYS = { field: "active_day", bucket: "week" };

const statistics = {
  ...{
    lettersBeyondAscii: false,
    trigramSchema: '"public"',
    users: 1000,
    shareOf: () => 0,
    shareIn: () => 0,
  },
  distinctNames: { first_name: 100, last_name: 100 },
};

function textOf(body: object): string {
  const request = parseAggregate(JSON.stringify(body), { nowMs: NOW, scopes: new Set(SCOPES) });
  const search = { statistics, mostByPieces: 100, nowMs: NOW };
  const { where, params } = compiled(request.filter, search);
  const series = request.groups.map(() => null);
  return aggregateStatement(request, { where, params, nowMs: NOW, series }).text;
}

const readsUsers = (text: string) => /mirror_data\.user_(activity|search|metadata)/.test(text);

test("everybody's days are counted without a look at any user", () => {
  expect(readsUsers(textOf({ group_by: [DAYS] }))).toBe(false);
});

test.each([
  { group_by: [DAYS], filter: { banned: true } },
  { group_by: [DAYS, "banned"] },
  { group_by: [{ ...DAYS, field: "created_at" }] },
])("users are read for %j", (body) => {
  expect(readsUsers(textOf(body))).toBe(true);
});
