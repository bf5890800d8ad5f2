// Covers src/client/{client,users,transport,errors,waiting,types,filter}.ts

import { once } from "node:events";
import { describe, expect, expectTypeOf, test } from "vitest";
import {
  createMirrorClient,
  type Filter,
  MirrorError,
  type QueryPage,
  type User,
} from "../../src/client/client.js";
import { scriptedClients } from "../support/scripted-client.js";
import { json, stream } from "../support/scripted-server.js";

const { clientOf, requests, close } = scriptedClients();

const refusal = (code: string, meta: object = {}) => ({
  errors: [{ message: "no", long_message: "It is refused.", code, meta }],
  clerk_trace_id: "t",
});
const caught = (work: Promise<unknown>): Promise<MirrorError> =>
  work.then(
    () => Promise.reject(new Error("it did not reject")),
    (error: unknown) => error as MirrorError,
  );
const collect = async <T>(items: AsyncIterable<T>) => {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
};

describe("a query", () => {
  test("is sent as the API names things, and comes back as TypeScript does", async () => {
    const { users } = await clientOf([
      json({
        data: [{ id: "user_1" }],
        next_cursor: "n",
        total_count: 7,
        total_count_estimated: true,
        changes_cursor: "c",
      }),
    ]);
    const page = await users.query({
      ...{ filter: { "public_metadata.plan": "pro", not: { banned: true } }, orderBy: ["-created_at", "id"] },
      ...{ limit: 5, cursor: "a", fields: ["id"], count: "estimated" as const },
    });
    expect(page).toEqual({
      data: [{ id: "user_1" }],
      ...{ nextCursor: "n", totalCount: 7, totalCountEstimated: true, changesCursor: "c" },
    });
    const [request] = requests();
    expect(request).toMatchObject({
      ...{ method: "POST", url: "/mirror/users/query" },
      headers: { authorization: "Bearer um_key", "content-type": "application/json" },
      body: {
        filter: { "public_metadata.plan": "pro", not: { banned: true } },
        ...{ order_by: ["-created_at", "id"], limit: 5, cursor: "a", fields: ["id"], count: "estimated" },
      },
    });
  });

  test("rejects with what the mirror says is wrong", async () => {
    const { users } = await clientOf([
      json(refusal("form_param_value_invalid", { param_name: "filter.and[0]" }), 422),
    ]);
    const error = await caught(users.query());
    expect(error).toBeInstanceOf(MirrorError);
    expect(error).toMatchObject({
      ...{ status: 422, code: "form_param_value_invalid", message: "It is refused.", param: "filter.and[0]" },
      ...{ retryAfter: null, meta: { param_name: "filter.and[0]" } },
    });
    expect(requests()).toHaveLength(1);
  });

  test("survives an answer that is not the mirror's", async () => {
    const { users } = await clientOf([(response) => response.writeHead(418).end("<html>")]);
    expect(await caught(users.query())).toMatchObject({ status: 418, code: "unknown_error", param: null });
  });

  test("is sent again when the mirror is busy, and given up in the end", async () => {
    const busy = json(refusal("service_unavailable"), 503, { "retry-after": "0" });
    const { users } = await clientOf([
      busy,
      busy,
      json({ data: [], next_cursor: null, changes_cursor: "c" }),
    ]);
    expect(await users.query()).toEqual({ data: [], nextCursor: null, changesCursor: "c" });
    const impatient = await clientOf([busy], { retries: 1 });
    expect(await caught(impatient.users.query())).toMatchObject({ status: 503, retryAfter: 0 });
    expect(requests()).toHaveLength(2);
  });

  test("ends with a timeout when no answer comes, and when it doesn't come to its end", async () => {
    const { users } = await clientOf([() => {}, (response) => response.writeHead(200).write("{")], {
      ...{ timeoutMs: 50, retries: 0 },
    });
    expect(await caught(users.query())).toMatchObject({ status: 0, code: "timeout" });
    expect(await caught(users.query())).toMatchObject({ status: 0, code: "timeout" });
  });

  test("says that nobody answers", async () => {
    const { users } = await clientOf([json({})], { retries: 0 });
    await close();
    expect(await caught(users.query())).toMatchObject({ status: 0, code: "network_error" });
  });

  test("rejects with the reason of the caller's own signal", async () => {
    const stop = new AbortController();
    const { users } = await clientOf([() => stop.abort(new Error("enough"))]);
    await expect(users.query({ signal: stop.signal })).rejects.toThrow("enough");
  });
});

describe("an iteration", () => {
  test("asks for page after page until there is none", async () => {
    const page = (ids: string[], next: string | null) =>
      json({ data: ids.map((id) => ({ id })), next_cursor: next, changes_cursor: "c" });
    const { users } = await clientOf([page(["a", "b"], "2"), page(["c"], null)]);
    const found = await collect(users.iterate({ filter: { banned: false }, orderBy: ["id"], pageSize: 2 }));
    expect(found.map(({ id }) => id)).toEqual(["a", "b", "c"]);
    expect(requests().map(({ body }) => body)).toEqual([
      { filter: { banned: false }, order_by: ["id"], limit: 2, cursor: null },
      { filter: { banned: false }, order_by: ["id"], limit: 2, cursor: "2" },
    ]);
  });
});

describe("an export", () => {
  test("gives each line as it comes", async () => {
    const { users } = await clientOf([stream(['{"id":"a"}\n{"id"', ':"b"}\n'])]);
    expect(await collect(users.export({ filter: { banned: false } }))).toEqual([{ id: "a" }, { id: "b" }]);
    expect(requests()[0]).toMatchObject({
      headers: { accept: "application/x-ndjson" },
      body: { filter: { banned: false } },
    });
  });

  test("rejects when the stream is cut, between lines and within one", async () => {
    const { users } = await clientOf([
      stream(['{"id":"a"}\n'], { end: false }),
      stream(['{"id":"a"}\n{"i']),
      () => {},
    ]);
    for (let n = 0; n < 2; n++) {
      expect(await caught(collect(users.export()))).toMatchObject({ status: 0, code: "stream_cut" });
    }
  });

  test("lets go of the connection when its reader stops", async () => {
    let closed: Promise<unknown> | undefined;
    const { users } = await clientOf([
      (response) => {
        response.writeHead(200).write('{"id":"a"}\n');
        closed = once(response, "close");
      },
    ]);
    for await (const user of users.export()) {
      expect(user.id).toBe("a");
      break;
    }
    await closed;
  });

  test("times out when nothing comes any more", async () => {
    const { users } = await clientOf([(response) => response.writeHead(200).write('{"id":"a"}\n')], {
      timeoutMs: 50,
    });
    expect(await caught(collect(users.export()))).toMatchObject({ status: 0, code: "timeout" });
  });
});

test("lookups and aggregates are sent as the API names things", async () => {
  const aggregate = { data: [{ keys: ["2026-11-01"], count: 1 }], other: 0, total: 1 };
  const { users } = await clientOf([json({ data: [{ id: "a" }, null] }), json(aggregate)]);
  expect(await users.lookup({ by: "email_address", keys: ["a@x.y", "b@x.y"] })).toEqual([{ id: "a" }, null]);
  const groupBy = [
    { field: "created_at", bucket: "day", timeZone: "Europe/Berlin" } as const,
    "public_metadata.plan",
  ];
  expect(await users.aggregate({ groupBy, orderBy: ["-count"], limit: 3, cumulative: true })).toEqual(
    aggregate,
  );
  expect(requests().map(({ url, body }) => ({ url, body }))).toEqual([
    { url: "/mirror/users/lookup", body: { by: "email_address", keys: ["a@x.y", "b@x.y"] } },
    {
      url: "/mirror/users/aggregate",
      body: {
        group_by: [
          { field: "created_at", bucket: "day", time_zone: "Europe/Berlin" },
          "public_metadata.plan",
        ],
        ...{ order_by: ["-count"], limit: 3, cumulative: true },
      },
    },
  ]);
});

test("retention is asked for as the API names things", async () => {
  const retention = { data: [{ cohort: "2026-09-07", users: 3, active: [2, null] }] };
  const { users } = await clientOf([json(retention), json(retention)]);
  expect(await users.retention()).toEqual(retention);
  await users.retention({ filter: { banned: false }, cohort: "month", periods: 2, timeZone: "Asia/Tokyo" });
  expect(requests().map(({ url, body }) => ({ url, body }))).toEqual([
    { url: "/mirror/users/retention", body: {} },
    {
      url: "/mirror/users/retention",
      body: { filter: { banned: false }, cohort: "month", periods: 2, time_zone: "Asia/Tokyo" },
    },
  ]);
});

test("a grouping goes to the mirror with all its members, so that none is overlooked without a word", async () => {
  const { users } = await clientOf([json({ data: [], other: 0, total: 0 })]);
  const misspelled = { field: "created_at", bucket: "day", timezone: "Europe/Berlin" } as const;
  await users.aggregate({ groupBy: [misspelled] });
  expect(requests()[0]?.body).toEqual({ group_by: [misspelled] });
});

test("types: whole users without fields, whatever was asked for with them, and filters that spell fields", () => {
  const { users } = createMirrorClient({ baseUrl: "http://localhost", apiKey: "k" });
  expectTypeOf(users.query).returns.resolves.toHaveProperty("data");
  expectTypeOf<Awaited<ReturnType<typeof users.query>>>().toEqualTypeOf<QueryPage<Record<string, unknown>>>();
  expectTypeOf(users.export()).toEqualTypeOf<AsyncGenerator<User, void, undefined>>();
  expectTypeOf(users.export({ fields: ["id"] })).toEqualTypeOf<
    AsyncGenerator<Record<string, unknown>, void, undefined>
  >();
  const filter: Filter = {
    ...{ created_at: { gte: "now-30d" }, banned: false, email_domain: ["a.com", "b.com"] },
    ...{
      membership: { organization_id: "org_1", or: [{ role: "org:admin" }, { "public_metadata.lead": true }] },
    },
    and: [
      { 'public_metadata."a.b"': { gt: 5 } },
      { any: { similar: "ann" } },
      { not: { email: { verified: true } } },
    ],
  };
  expectTypeOf(filter).toExtend<Filter>();
  // @ts-expect-error: no such field
  const unknown: Filter = { emial_address: "a" };
  // @ts-expect-error: flags have no ranges
  const range: Filter = { banned: { gt: true } };
  expect([unknown, range]).toHaveLength(2);
});
