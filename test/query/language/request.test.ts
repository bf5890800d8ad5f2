import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SCOPES } from "../../../src/auth/scopes.js";
import { type Cursor, cursorText } from "../../../src/query/language/cursor.js";
import { parseFilter } from "../../../src/query/language/json-filter.js";
import { parseUserLink, parseUserQuery, type UserQuery } from "../../../src/query/language/request.js";
import { jsonFilter } from "./random-filters.js";
import { refusal } from "./refusal.js";

const NOW_MS = 1_800_000_000_000;
const CONTEXT = { nowMs: NOW_MS, scopes: new Set(SCOPES) };
const LATER = { ...CONTEXT, nowMs: NOW_MS + 3_600_000 };

const body = (given: unknown, context = CONTEXT) => parseUserQuery(JSON.stringify(given), context);
const link = (params: Record<string, string | string[]>, context = CONTEXT) =>
  parseUserLink(
    Object.fromEntries(Object.entries(params).map(([name, text]) => [name, [text].flat()])),
    context,
  );

/** The cursor of the page after this query's. */
const nextOf = ({ binding, nowMs }: UserQuery, keys: Cursor["keys"]) =>
  cursorText({ binding, nowMs, changesCursor: "c", keys });

test("asks for the newest 50 of everybody where nothing is given", () => {
  expect(body({})).toEqual({
    filter: { kind: "and", all: [] },
    orders: [
      { by: { kind: "field", name: "created_at" }, descending: true },
      { by: { kind: "field", name: "id" }, descending: true },
    ],
    limit: 50,
    cursor: null,
    fields: null,
    count: false,
    nowMs: NOW_MS,
    binding: expect.any(String),
  });
  expect(link({})).toEqual(body({}));
  expect(body({ order_by: null, limit: null, cursor: null, fields: null, count: null })).toEqual(body({}));
});

test("a link says the same as a body", () => {
  const filter = { "public_metadata.plan": "pro", created_at: { gte: "now-30d" } };
  expect(
    link({
      filter: ` ${JSON.stringify(filter)}`,
      order_by: '-last_active_at,public_metadata."a,\\"b",id',
      limit: "500",
      fields: 'id,email_addresses,unsafe_metadata."x,y"',
      count: "estimated",
    }),
  ).toEqual(
    body({
      filter,
      order_by: ["-last_active_at", 'public_metadata."a,\\"b"', "id"],
      limit: 500,
      fields: ["id", "email_addresses", 'unsafe_metadata."x,y"'],
      count: "estimated",
    }),
  );
  expect(link({ count: "true" }).count).toBe(true);
  expect(link({ count: "false" }).count).toBe(false);
});

test("a filter in a link that doesn't begin as JSON is SCIM", () => {
  const ann = 'userName eq "ann" and active eq true';
  expect(link({ filter: ann }).filter).toEqual({
    kind: "and",
    all: [
      { kind: "compare", field: "username", operator: "in", values: ["ann"] },
      expect.objectContaining({ kind: "compare", field: "banned" }),
    ],
  });
  expect(link({ filter: [ann, "nonsense"] })).toEqual(link({ filter: ann }));
  expect(link({ filter: 'userName eq "ann"' })).toEqual(body({ filter: { username: "ann" } }));
});

test("any filter may stand in a body and in a link", () => {
  fc.assert(
    fc.property(jsonFilter, (filter) => {
      const whole = body({ filter });
      expect(whole.filter).toEqual(parseFilter(JSON.parse(JSON.stringify(filter)), CONTEXT));
      expect(link({ filter: JSON.stringify(filter) })).toEqual(whole);
    }),
  );
});

describe("a cursor", () => {
  const asked = {
    filter: { created_at: { gte: "now-1d" }, or: [{ banned: true }, { "public_metadata.a": 5 }] },
    order_by: ["-public_metadata.a", "last_name"],
    fields: ["id", "name"],
  };
  const first = body(asked);
  const cursor = nextOf(first, [5, "smith", "user_1"]);

  test("keeps the moment of the first page", () => {
    const next = body({ ...asked, cursor }, LATER);
    expect(next).toMatchObject({ filter: first.filter, nowMs: NOW_MS, binding: first.binding });
    expect(next.cursor).toEqual({
      binding: first.binding,
      nowMs: NOW_MS,
      changesCursor: "c",
      keys: [5, "smith", "user_1"],
    });
    expect(body(asked, LATER).filter).not.toEqual(first.filter);
  });

  test("goes on however the same was written, with another limit and count, in a body or a link", () => {
    const { filter, order_by, fields } = asked;
    const turned = { or: filter.or, created_at: filter.created_at };
    expect(body({ cursor, fields, count: true, order_by, limit: 7, filter: turned }, LATER).limit).toBe(7);
    const params = { order_by: order_by.join(","), fields: fields.join(","), filter: JSON.stringify(turned) };
    expect(link({ ...params, cursor }, LATER).cursor).not.toBeNull();
    const plain = nextOf(body({ filter: {} }), [5, "user_1"]);
    for (const same of [{}, { order_by: ["-created_at"] }, { fields: null }])
      body({ ...same, cursor: plain });
  });

  test.each([
    ["filter", { filter: { ...asked.filter, locked: true } }],
    ["filter", { filter: {} }],
    ["filter", { filter: { ...asked.filter, created_at: { gte: "now-2d" } } }],
    ["order", { order_by: ["public_metadata.a", "last_name"] }],
    ["order", { order_by: ["-public_metadata.a"] }],
    ["fields", { fields: null }],
    ["fields", { fields: ["name", "id"] }],
  ])("belongs to its %s: %j", (_, other) => {
    expect(refusal(() => body({ ...asked, ...other, cursor }))).toMatchObject({
      code: "invalid_request",
      path: "cursor",
      longMessage: expect.stringContaining("belongs to another"),
    });
  });

  test.each(["", "x", 5, {}, true, cursor.slice(1)])("is refused where it isn't one: %j", (wrong) => {
    expect(refusal(() => body({ ...asked, cursor: wrong })).path).toBe("cursor");
  });

  test("is refused as a parameter that is empty", () => {
    expect(refusal(() => link({ cursor: "" })).path).toBe("cursor");
  });
});

describe("what is refused", () => {
  test.each([
    [{ filter: null }, "filter"],
    [{ filter: [] }, "filter"],
    [{ filter: { not: { emailAddress: "a" } } }, "filter.not.emailAddress"],
    [{ filters: {} }, "filters"],
    [{ orderBy: [] }, "orderBy"],
    [{ order_by: "id" }, "order_by"],
    [{ order_by: ["id", "x"] }, "order_by[1]"],
    [{ fields: "id" }, "fields"],
    [{ fields: ["id", "x"] }, "fields[1]"],
    [{ limit: 0 }, "limit"],
    [{ limit: 501 }, "limit"],
    [{ limit: 1.5 }, "limit"],
    [{ limit: "50" }, "limit"],
    [{ count: "exact" }, "count"],
    [{ count: 1 }, "count"],
    [{ cursor: 5 }, "cursor"],
  ])("in a body: %j", (given, path) => {
    expect(refusal(() => body(given))).toMatchObject({ code: "invalid_request", path });
  });

  test.each([
    [{ fliter: "{}" }, "fliter"],
    [{ filter: "{" }, "filter"],
    [{ filter: "" }, "filter"],
    [{ filter: "userName eq" }, "filter"],
    [{ filter: 'userName gt "a"' }, "filter.username.gt"],
    [{ filter: '{"a":1}' }, "filter.a"],
    [{ filter: '{"username":"a","username":"b"}' }, "filter.username"],
    [{ order_by: "" }, "order_by[0]"],
    [{ order_by: "id,," }, "order_by[1]"],
    [{ fields: "" }, "fields[0]"],
    [{ fields: "id,x" }, "fields[1]"],
    [{ limit: "" }, "limit"],
    [{ limit: "0" }, "limit"],
    [{ limit: "501" }, "limit"],
    [{ limit: "1e2" }, "limit"],
    [{ limit: " 5" }, "limit"],
    [{ count: "" }, "count"],
    [{ count: "TRUE" }, "count"],
  ])("in a link: %j", (params, path) => {
    expect(refusal(() => link(params))).toMatchObject({ code: "invalid_request", path });
  });

  test("private metadata in the filter, the order and the fields, without the scope", () => {
    const context = { ...CONTEXT, scopes: new Set(["users:read"] as const) };
    const path = "private_metadata.a";
    for (const given of [{ filter: { [path]: 5 } }, { order_by: [path] }, { fields: ["id", path] }]) {
      body(given);
      expect(refusal(() => body(given, context as typeof CONTEXT)).code).toBe("forbidden");
    }
  });

  test("a filter of more than 64 KiB, which needn't be read", () => {
    const filter = { username: { in: Array.from({ length: 1000 }, (_, n) => `${n}`.padEnd(70, "x")) } };
    expect(refusal(() => body({ filter }))).toMatchObject({ code: "invalid_request", path: "filter" });
  });
});
