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
