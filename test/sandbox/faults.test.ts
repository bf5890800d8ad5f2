// Covers src/sandbox/faults/, src/sandbox/api/rate-limit.ts

import { afterEach, expect, test } from "vitest";
import { type Sandbox, startSandbox } from "../../src/sandbox/server.js";

let sandbox: Sandbox;

afterEach(() => sandbox.close());

type Wire = Record<string, unknown>;

async function get<T>(path: string): Promise<{ status: number; body: T }> {
  const headers = { Authorization: `Bearer ${sandbox.secretKey}` };
  const answer = await fetch(`${sandbox.url}${path}`, { headers });
  return { status: answer.status, body: (await answer.json()) as T };
}

const control = (path: string, body: object) =>
  fetch(`${sandbox.url}/_sandbox/${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });

const names = async () => (await get<Wire[]>("/v1/users?limit=100")).body.map((user) => user.first_name);
const count = async () => (await get<{ total_count: number }>("/v1/users/count")).body.total_count;

test("with a list lag, lists and counts trail what was written, and single users don't", async () => {
  sandbox = await startSandbox({ clockMs: 1_750_000_000_000 });
  const { id } = sandbox.clerk.createUser({ first_name: "Before" });
  await control("list_lag", { ms: 1000 });
  const created = sandbox.clerk.createUser({ first_name: "Created" });
  sandbox.clerk.updateUser(String(id), { first_name: "After" });
  expect([await names(), await count()]).toEqual([["Before"], 1]);
  expect((await get<Wire>(`/v1/users/${id}`)).body.first_name).toBe("After");

  sandbox.clock.advance(1000);
  expect([new Set(await names()), await count()]).toEqual([new Set(["After", "Created"]), 2]);
  sandbox.clerk.deleteUser(String(created.id));
  expect(await count()).toBe(2);
  sandbox.clock.advance(1001);
  expect(await names()).toEqual(["After"]);
  await control("list_lag", { ms: 0 });
  sandbox.clerk.deleteUser(String(id));
  expect(await count()).toBe(0);
});

test("a lag that is set again keeps what is on its way", async () => {
  sandbox = await startSandbox({ users: 1, clockMs: 1_750_000_000_000 });
  await control("list_lag", { ms: 1000 });
  sandbox.clerk.createUser({ first_name: "Created" });
  await control("list_lag", { ms: 1000 });
  expect(await count()).toBe(1);
  sandbox.clock.advance(1000);
  expect(await count()).toBe(2);
});

test("with a count lag, counts alone trail; and they can be made to pass parameters over", async () => {
  sandbox = await startSandbox({ users: 3, clockMs: 1_750_000_000_000 });
  await control("count_lag", { ms: 1000 });
  sandbox.clerk.createUser({ first_name: "Created" });
  expect([(await names()).length, await count()]).toEqual([4, 3]);
  await control("count_lag", { ms: 0 });
  const never = "/v1/users/count?created_at_after=1&created_at_before=1";
  const counted = async () => (await get<{ total_count: number }>(never)).body.total_count;
  expect(await counted()).toBe(0);
  await control("count_ignores", { names: ["created_at_before"] });
  expect(await counted()).toBe(4);
  expect((await get<Wire[]>(never.replace("/count", ""))).body).toEqual([]);
});

test("loses about the share of webhooks that it is told to", async () => {
  const webhook = { url: "http://127.0.0.1:9/", secret: "whsec_c2VjcmV0" };
  sandbox = await startSandbox({ webhook, retryScheduleMs: [] });
  await control("webhook_faults", { lossRate: 0.25 });
  for (let n = 0; n < 400; n++) sandbox.clerk.createUser({});
  await sandbox.webhooks.settle();
  const sent = sandbox.webhooks.deliveries.filter(({ attempts }) => attempts.length > 0).length;
  expect(sent).toBeGreaterThan(260);
  expect(sent).toBeLessThan(340);
});

test("under a walk somebody is deleted, somebody comes who should have come before, and a cursor is refused", async () => {
  sandbox = await startSandbox({ users: 30 });
  await control("walk_faults", { deletions: 1, backdated: 1, cursorDeletions: 1 });
  const first = await get<Wire[]>("/v1/users?limit=10&order_by=%2Bcreated_at");
  expect([first.body.length, sandbox.clerk.users().length]).toEqual([10, 30]);
  const oldest = sandbox.clerk.users().toSorted((a, b) => Number(a.created_at) - Number(b.created_at));
  expect(oldest.slice(0, 2).map((user) => user.first_name)).toContain("Backdated");
  const cursor = first.body.at(-1)?.id;
  const next = await get(`/v1/users?limit=10&order_by=%2Bcreated_at&starting_after=${cursor}`);
  expect(next).toMatchObject({ status: 422, body: { errors: [{ code: "form_resource_not_found" }] } });
  expect((await get(`/v1/users/${cursor}`)).status).toBe(404);
});
