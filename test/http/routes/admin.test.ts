// Covers src/http/json-body.ts, src/http/routes/{dead-letters,ops,runs}.ts

import { Hono } from "hono";
import { expect, test } from "vitest";
import type { Scope } from "../../../src/auth/scopes.js";
import type { HttpEnv } from "../../../src/http/respond.js";
import { deadLetterRoutes } from "../../../src/http/routes/dead-letters.js";
import type { Readiness } from "../../../src/http/routes/ops.js";
import { bearer, LETTER, MIRROR_KEY, principalWith, RUN, standInApp, VARIABLE } from "../stand-ins.js";

async function ask(method: string, path: string, body?: string) {
  const { app, asked } = standInApp();
  const response = await app.request(path, {
    method,
    ...bearer(MIRROR_KEY),
    ...(body !== undefined && { body }),
  });
  return { status: response.status, body: JSON.parse(await response.text()), asked };
}

test("starts a run and tells its id", async () => {
  for (const mode of ["incremental", "full", "dry_run"]) {
    const { status, body, asked } = await ask("POST", "/mirror/reconcile", JSON.stringify({ mode }));
    expect([status, body, asked]).toEqual([202, { run_id: "run_1" }, [["start", mode]]]);
  }
});

test.each(["{}", '{"mode":"backfill"}', '{"mode":1}', "[]", "null"])(
  "starts nothing for %s",
  async (text) => {
    const { status, body, asked } = await ask("POST", "/mirror/reconcile", text);
    expect([status, asked]).toEqual([422, []]);
    expect(body.errors[0]).toMatchObject({ code: "form_param_value_invalid", meta: { param_name: "mode" } });
  },
);

test.each(["", "mode=full", '{"mode":'])("refuses a body that isn't JSON (%j)", async (text) => {
  const { status, body, asked } = await ask("POST", "/mirror/reconcile", text);
  expect([status, body.errors[0].code, asked]).toEqual([400, "request_body_invalid", []]);
});

test("refuses a body that could never be one", async () => {
  const { status, asked } = await ask("POST", "/mirror/reconcile", " ".repeat(64 * 1024 + 1));
  expect([status, asked]).toEqual([413, []]);
});

test("shows a run, and 404 where there is none", async () => {
  expect((await ask("GET", "/mirror/runs/run_1")).body).toEqual(RUN);
  for (const id of ["run_2", "%00", "a%2Fb", "x".repeat(300)]) {
    const { status, body } = await ask("GET", `/mirror/runs/${id}`);
    expect([status, body.errors[0].code]).toEqual([404, "resource_not_found"]);
  }
});

test("shows the status", async () => {
  expect((await ask("GET", "/mirror/status")).body).toMatchObject({ state: "live" });
});

test("shows the configuration", async () => {
  expect((await ask("GET", "/mirror/config")).body).toEqual({ data: [VARIABLE] });
});

const states: [Readiness, number][] = [
  ["starting", 503],
  ["live", 200],
  ["backfilling", 200],
  ["degraded", 200],
  ["draining", 503],
];
test.each(states)("/readyz while %s: %d", async (state, status) => {
  const { app } = standInApp({ readiness: () => state });
  const response = await app.request("/readyz");
  expect([response.status, response.headers.get("content-type")]).toEqual([status, "application/json"]);
  const body = await response.json();
  if (status === 200) expect(body).toEqual({ state });
  else expect(body).toMatchObject({ errors: [{ code: "service_unavailable", meta: { state } }] });
  expect(response.headers.has("retry-after")).toBe(status === 503);
});

test("/healthz is well whatever else is", async () => {
  const { app } = standInApp({ readiness: () => "starting" });
  expect((await app.request("/healthz")).status).toBe(200);
});

test("lists dead letters without what is in them", async () => {
  const { body } = await ask("GET", "/mirror/dead-letters");
  expect(body.data).toEqual([
    {
      id: LETTER.id,
      type: null,
      kind: "user",
      user_id: "user_1",
      error: LETTER.error,
      attempts: 2,
      received_at: 1,
      tried_at: 2,
    },
  ]);
});

test.each([0, 1, 50, 51, 500])(
  "lists %i dead letters as one JSON text, whatever its chunks",
  async (count) => {
    const letters = Array.from({ length: count }, (_, n) => ({
      ...LETTER,
      id: `msg_${n}`,
      error: `"é\n${n}`,
    }));
    const app = new Hono<HttpEnv>()
      .use(async (c, next) => {
        c.set("headers", {});
        c.set("principal", { name: "operator", scopes: new Set(["admin"]) });
        await next();
      })
      .route(
        "/",
        deadLetterRoutes({
          list: async () => letters,
          find: async () => null,
          replay: async () => null,
          drop: async () => false,
        }),
      );
    const response = await app.request("/mirror/dead-letters");
    expect(response.headers.get("content-type")).toBe("application/json");
    const { data } = (await response.json()) as { data: { id: string; error: string }[] };
    expect(data.map(({ id, error }) => [id, error])).toEqual(letters.map(({ id, error }) => [id, error]));
  },
);

test("replays and drops a dead letter by its id, and 404 where there is none", async () => {
  const path = `/mirror/dead-letters/${encodeURIComponent(LETTER.id)}`;
  expect(await ask("POST", `${path}/replay`)).toMatchObject({ status: 200, body: { status: "applied" } });
  expect(await ask("DELETE", path)).toMatchObject({ status: 200, body: { id: LETTER.id, deleted: true } });
  for (const id of ["msg_none", "%00"]) {
    expect((await ask("POST", `/mirror/dead-letters/${id}/replay`)).status).toBe(404);
    expect((await ask("DELETE", `/mirror/dead-letters/${id}`)).status).toBe(404);
  }
});

test("shows what is in a dead letter to those who may read users, what is private to those who may read that", async () => {
  const find = async () => ({ ...LETTER, payload: Buffer.from('{"data":{"private_metadata":{"a":1}}}') });
  const contentFor = async (...scopes: Scope[]) => {
    const { parts } = standInApp();
    const own = standInApp({
      deadLetters: { ...parts.deadLetters, find },
      authenticate: principalWith("admin", ...scopes),
    });
    const path = `/mirror/dead-letters/${encodeURIComponent(LETTER.id)}`;
    return ((await (await own.app.request(path)).json()) as { content: string | null }).content;
  };
  expect(await contentFor()).toBe(null);
  expect(await contentFor("users:read")).toBe('{"data":{"private_metadata":null}}');
  expect(await contentFor("users:read", "private_metadata:read")).toBe(
    '{"data":{"private_metadata":{"a":1}}}',
  );
});

test("stops a run, and says why where it can't be", async () => {
  expect(await ask("POST", "/mirror/runs/run_1/stop")).toMatchObject({
    ...{ status: 200, body: RUN, asked: [["stop", "run_1", "MIRROR_API_KEY"]] },
  });
  expect((await ask("POST", "/mirror/runs/run_2/stop")).status).toBe(404);
  const { parts } = standInApp();
  const reconciler = { ...parts.admin.reconciler, stop: async () => "unstoppable" as const };
  const { app } = standInApp({ admin: { ...parts.admin, reconciler } });
  expect(
    (await app.request("/mirror/runs/run_1/stop", { method: "POST", ...bearer(MIRROR_KEY) })).status,
  ).toBe(409);
});

test.each([
  ["limit=0", "limit"],
  ["limit=101", "limit"],
  ["mode=other", "mode"],
  ["state=other", "state"],
])("lists no runs for %s", async (query, param) => {
  const { status, body, asked } = await ask("GET", `/mirror/runs?${query}`);
  expect([status, body.errors[0].meta, asked]).toEqual([422, { param_name: param }, []]);
});

test("lists runs by what they are, and the windows of one", async () => {
  const { body, asked } = await ask(
    "GET",
    "/mirror/runs?limit=1&mode=full&state=running&differences=true&before=run_1",
  );
  expect(body).toEqual({ data: [RUN], next: null });
  const selection = { mode: "full", state: "running", withDifferences: true, before: "run_1" };
  expect(asked).toEqual([["runs", 2, selection]]);
  expect((await ask("GET", "/mirror/runs/run_1/windows")).body).toEqual({
    ...{
      data: [{ position: 0, created_after: null, created_before: 9, done: false, begun: false }],
      total: 1,
    },
  });
});
