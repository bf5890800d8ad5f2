import { expect, test } from "vitest";
import type { Scope } from "../../../src/auth/scopes.js";
import { principalWith, standInApp } from "../stand-ins.js";

async function ask(body: string, scopes: Scope[] = ["users:read"], path = "/mirror/users/aggregate") {
  const { app, asked } = standInApp({ authenticate: principalWith(...scopes) });
  const response = await app.request(path, { method: "POST", body });
  return { status: response.status, body: JSON.parse(await response.text()), asked };
}

test("answers with what was counted", async () => {
  const { status, body, asked } = await ask('{"group_by":["banned"],"filter":{"created_at":{"gte":"now"}}}');
  expect([status, body]).toEqual([200, { data: [], other: 0, total: 0 }]);
  expect(asked).toMatchObject([
    [
      "aggregate",
      { filter: { field: "created_at", valueMs: 1_800_000_000_000 }, groups: [{ of: { name: "banned" } }] },
    ],
  ]);
});

test("takes the scope for users, and the one for private metadata where a group or the filter looks there", async () => {
  const bodies = ['{"group_by":["private_metadata.plan"]}', '{"filter":{"not":{"private_metadata.plan":1}}}'];
  for (const text of bodies) {
    const { status, body, asked } = await ask(text);
    expect([status, body.errors[0].meta, asked]).toEqual([403, { scope: "private_metadata:read" }, []]);
    expect((await ask(text, ["users:read", "private_metadata:read"])).status).toBe(200);
  }
  const others = await ask("{}", ["admin", "changes:read", "private_metadata:read"]);
  expect([others.status, others.body.errors[0].meta]).toEqual([403, { scope: "users:read" }]);
});

test("says where a body is wrong", async () => {
  const { status, body } = await ask('{"group_by":["banned",{"field":"created_at","bucket":"year"}]}');
  expect([status, body.errors[0].code, body.errors[0].meta]).toEqual([
    422,
    "form_param_value_invalid",
    { param_name: "group_by[1].bucket" },
  ]);
  const long = await ask(
    JSON.stringify({ filter: { id: Array.from({ length: 900 }, () => "x".repeat(100)) } }),
  );
  expect([long.status, long.body.errors[0].meta]).toEqual([422, { param_name: "filter" }]);
  expect((await ask("group_by=banned")).status).toBe(400);
  const longer = await ask(" ".repeat(512 * 1024 + 1));
  expect([longer.status, longer.body.errors[0].meta]).toEqual([422, { param_name: "filter" }]);
});

test("tells who came back, with the same scopes and limits", async () => {
  const path = "/mirror/users/retention";
  const { status, body, asked } = await ask('{"cohort":"month","filter":{"banned":true}}', undefined, path);
  expect([status, body]).toEqual([200, { data: [] }]);
  expect(asked).toMatchObject([["retention", { cohort: "month", periods: 12, filter: { field: "banned" } }]]);
  const hidden = '{"filter":{"private_metadata.plan":1}}';
  expect((await ask(hidden, undefined, path)).body.errors[0].meta).toEqual({
    scope: "private_metadata:read",
  });
  expect((await ask("{}", ["admin", "changes:read"], path)).status).toBe(403);
  expect((await ask('{"periods":0}', undefined, path)).body.errors[0].meta).toEqual({
    param_name: "periods",
  });
  expect((await ask(" ".repeat(512 * 1024 + 1), undefined, path)).status).toBe(422);
});
