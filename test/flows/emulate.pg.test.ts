// Covers src/clerk.ts, src/upstream/{users,errors}.ts

import { createClerkClient } from "@clerk/backend";
import { createEmulator } from "emulate";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadConfig } from "../../src/config.js";
import { silentLogger } from "../../src/observability/logger.js";
import { type RunningServer, startServer } from "../../src/runtime/server.js";
import { freshDatabase, type OwnDatabase } from "../support/database.js";
import { untilLive } from "../support/mirror.js";

const SECRET_KEY = "sk_test_emulated";
/** It adds one of its own to those it is given. */
const OWN = 1;
const PEOPLE = Array.from({ length: 130 }, (_, n) => ({
  first_name: `First ${n}`,
  last_name: "Emulated",
  email_addresses: [`person${n}@example.com`],
}));

// A stand-in that others wrote: enveloped lists of at most 100, no cursors, times in seconds, no list of memberships.
describe("over a Clerk that isn't quite Clerk", () => {
  let emulator: { url: string; close(): Promise<void> };
  let database: OwnDatabase;
  let server: RunningServer;
  let sdk: ReturnType<typeof createClerkClient>;

  beforeAll(async () => {
    emulator = await createEmulator({ service: "clerk", port: 0, seed: { clerk: { users: PEOPLE } } });
    database = await freshDatabase();
    const env = {
      CLERK_SECRET_KEY: SECRET_KEY,
      CLERK_API_URL: emulator.url,
      DATABASE_URL: database.url,
      PORT: "0",
      UPSTREAM_RATE_LIMIT: "10000",
      UPSTREAM_LAG: "0s",
      RECONCILE_INTERVAL: "0",
    };
    server = await startServer(loadConfig(env, { needs: { secretKey: true } }), silentLogger());
    await untilLive(server.url);
    sdk = createClerkClient({ secretKey: SECRET_KEY, apiUrl: server.url });
  });

  afterAll(async () => {
    await server?.stop();
    await emulator?.close();
    await database?.drop();
  });

  async function emulated(): Promise<Record<string, unknown>[]> {
    const headers = { Authorization: `Bearer ${SECRET_KEY}` };
    const pages = [0, 100].map(async (offset) => {
      const answer = await fetch(`${emulator.url}/v1/users?limit=100&offset=${offset}`, { headers });
      return ((await answer.json()) as { data: Record<string, unknown>[] }).data;
    });
    return (await Promise.all(pages)).flat();
  }

  test("the backfill takes everybody, and their times as they are", async () => {
    const { data, totalCount } = await sdk.users.getUserList({ limit: 500 });
    expect(totalCount).toBe(PEOPLE.length + OWN);
    const theirs = new Map((await emulated()).map((user) => [user.id, user]));
    expect(theirs.size).toBe(PEOPLE.length + OWN);
    for (const user of data) expect(user.raw).toEqual(theirs.get(user.id));
    expect(String(data[0]?.createdAt)).toMatch(/^\d{10}$/);
  });

  test("filters, orders and counts work on what it gave", async () => {
    const { data } = await sdk.users.getUserList({ emailAddress: ["PERSON77@example.com"] });
    expect(data.map(({ firstName }) => firstName)).toEqual(["First 77"]);
    expect(await sdk.users.getCount({ query: "person12" })).toBe(11);
    const sorted = await sdk.users.getUserList({ orderBy: "+first_name", limit: 2 });
    expect(sorted.data.map(({ firstName }) => firstName)).toEqual(["First 0", "First 1"]);
  });

  test("creates, updates and deletes through the SDK are readable at once, also within one second of it", async () => {
    const created = await sdk.users.createUser({ emailAddress: ["new@example.com"], firstName: "New" });
    expect((await sdk.users.getUser(created.id)).firstName).toBe("New");
    for (const firstName of ["Newer", "Newest", "Newest of all"]) {
      await sdk.users.updateUser(created.id, { firstName });
      expect((await sdk.users.getUser(created.id)).firstName).toBe(firstName);
    }
    expect(await sdk.users.getCount()).toBe(PEOPLE.length + OWN + 1);
    await sdk.users.deleteUser(created.id);
    await expect(sdk.users.getUser(created.id)).rejects.toMatchObject({ status: 404 });
    expect(await sdk.users.getCount()).toBe(PEOPLE.length + OWN);
  });

  test("whoever it doesn't have is answered 404, though it spells its codes in upper case", async () => {
    await expect(sdk.users.getUser("user_nobody")).rejects.toMatchObject({ status: 404 });
  });

  test("whoever was deleted behind the mirror's back is found out and deleted here", async () => {
    const [someone] = await emulated();
    const headers = { Authorization: `Bearer ${SECRET_KEY}` };
    await fetch(`${emulator.url}/v1/users/${someone?.id}`, { method: "DELETE", headers });
    const run = await server.mirror.leader.execute("full", { signal: AbortSignal.timeout(30_000) });
    expect(run).toMatchObject({ state: "succeeded", differences: { missed_delete: 1 } });
    await expect(sdk.users.getUser(String(someone?.id))).rejects.toMatchObject({ status: 404 });
  });

  test("a full reconcile of it finds no differences", async () => {
    const run = await server.mirror.leader.execute("full", { signal: AbortSignal.timeout(30_000) });
    expect(run).toMatchObject({
      state: "succeeded",
      differences: { missed_create: 0, missed_update: 0, missed_delete: 0 },
    });
  });
});
