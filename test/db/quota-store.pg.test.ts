import { describe, expect } from "vitest";
import { unwatched } from "../../src/db/connection/availability.js";
import { connect } from "../../src/db/connection/client.js";
import type { Sql } from "../../src/db/connection/sql.js";
import { createSharedQuotaStore, readQuotaUse } from "../../src/db/quota-store.js";
import { AppError } from "../../src/lib/errors.js";
import type { QuotaStore } from "../../src/lib/quota.js";
import { type Sandbox, startSandbox } from "../../src/sandbox/server.js";
import { createLocalQuotaStore, createRequestQueue } from "../../src/upstream/request-queue.js";
import { test } from "../support/database.js";

const alone = () => createLocalQuotaStore({ limit: 4, backgroundShare: 0.5 });
const shared = (
  sql: Sql,
  limit: number,
  options: Partial<Parameters<typeof createSharedQuotaStore>[0]> = {},
) =>
  createSharedQuotaStore({
    ...{ sql, availability: unwatched, limit, backgroundShare: 0.5, alone: alone() },
    ...options,
  });
const urgent = (n: number) => ({ urgent: n, background: 0 });

/** Sends so many requests as one process would, and says what Clerk answered. */
async function send(sandbox: Sandbox, store: QuotaStore, n: number): Promise<number[]> {
  const queue = createRequestQueue(store);
  return Promise.all(
    Array.from({ length: n }, async () => {
      await queue.take("caller");
      const headers = { Authorization: `Bearer ${sandbox.secretKey}` };
      return (await fetch(`${sandbox.url}/v1/users/count`, { headers })).status;
    }),
  );
}

describe("the budget of all processes", () => {
  test("never lets Clerk see more than the limit in 10 seconds, by Clerk's own count", async ({ db }) => {
    const sandbox = await startSandbox({ rateLimit: 40 });
    const processes = Array.from({ length: 3 }, () => connect({ url: db.url, poolMax: 2 }));
    try {
      const statuses = await Promise.all(
        processes.map(({ primary: { sql } }) => send(sandbox, shared(sql, 40), 25)),
      );
      expect(statuses.flat()).toEqual(Array.from({ length: 75 }, () => 200));
    } finally {
      await Promise.all(processes.map((one) => one.close()));
      await sandbox.close();
    }
  }, 60_000);

  test("keeps room for callers, whatever the background wants", async ({ db }) => {
    const one = shared(db.sql, 20);
    const other = shared(db.sql, 20);
    expect((await one.spend({ urgent: 0, background: 100 })).granted).toEqual({ urgent: 0, background: 10 });
    const second = await other.spend({ urgent: 15, background: 100 });
    expect(second.granted).toEqual({ urgent: 10, background: 0 });
    expect(second.retryMs).toBeGreaterThan(5000);
    expect(await readQuotaUse(db.sql)).toEqual({
      limit: 20,
      used: { urgent: 10, background: 10 },
      share: 1,
      paused_until: null,
    });
  });

  test("leaves half of it to writes whatever is read, and a quarter whatever is read and walked", async ({
    db,
  }) => {
    const one = shared(db.sql, 20, { readShare: 0.5 });
    const other = shared(db.sql, 20, { readShare: 0.5 });
    const read = await one.spend({ urgent: 30, reads: 30, background: 0 });
    expect(read.granted).toEqual({ urgent: 10, reads: 10, background: 0 });
    expect(read.retryMs).toBeGreaterThan(5000);
    const all = await other.spend({ urgent: 18, reads: 3, background: 0 });
    expect(all.granted).toEqual({ urgent: 10, reads: 0, background: 0 });
  });

  test("leaves something to reads beside a walk, and to writes beside both", async ({ db }) => {
    const one = shared(db.sql, 20, { readShare: 0.5 });
    await one.spend({ urgent: 0, background: 100 });
    const read = await one.spend({ urgent: 30, reads: 30, background: 0 });
    expect(read.granted).toEqual({ urgent: 5, reads: 5, background: 0 });
    expect((await one.spend({ urgent: 30, background: 0 })).granted).toEqual({ urgent: 5, background: 0 });
  });

  test("pauses the background of every process when one is told to, and lets it send less for a while", async ({
    db,
  }) => {
    const one = shared(db.sql, 20);
    const other = shared(db.sql, 20);
    await one.pause(200);
    const refused = await other.spend({ urgent: 2, background: 20 });
    expect(refused.granted).toEqual({ urgent: 2, background: 0 });
    expect(refused.retryMs).toBeLessThanOrEqual(200);
    await expect
      .poll(async () => (await other.spend({ urgent: 0, background: 20 })).granted)
      .toEqual({ urgent: 0, background: 7 });
    expect((await other.spend(urgent(20))).granted).toEqual(urgent(11));
  });

  test("cuts a pause of an hour, as earlier versions stored them, to a minute on reading it, once", async ({
    db,
  }) => {
    const [clock] = await db.sql<{ now: number }[]>`
      select (extract(epoch from clock_timestamp()) * 1000)::bigint as now`;
    const hour = (clock?.now ?? 0) + 3_600_000;
    const stored = { slots: [], pausedUntilMs: hour, lowered: { share: 0.1, atMs: hour } };
    await db.sql`
      insert into mirror_data.budget (spending) values (${JSON.stringify(stored)}::text::jsonb)
      on conflict (one) do update set spending = excluded.spending`;
    const shown = await readQuotaUse(db.sql);
    expect(shown.paused_until).toBeLessThan(hour - 3_500_000);

    const store = shared(db.sql, 20);
    expect((await store.spend({ urgent: 1, background: 1 })).granted).toEqual(urgent(1));
    const cut = (await readQuotaUse(db.sql)).paused_until;
    await store.spend({ urgent: 0, background: 1 });
    expect((await readQuotaUse(db.sql)).paused_until).toBe(cut);
  });

  test("gives a process a little of its own while Postgres can't be asked", async ({ db }) => {
    const guard = async () => {
      throw new AppError("database_unavailable", "away");
    };
    const cut = shared(db.sql, 1000, { availability: { guard } });
    expect((await cut.spend(urgent(3))).granted).toEqual(urgent(3));
    await cut.pause(10_000);
    expect((await cut.spend({ urgent: 3, background: 3 })).granted).toEqual(urgent(1));
  });
});
