// Covers src/sync/reconcile/{over-windows,plan,rolling,user-pages,verify}.ts

import fc from "fast-check";
import { afterEach, describe, expect } from "vitest";
import { type Sandbox, type SandboxOptions, startSandbox } from "../../../src/sandbox/server.js";
import { type Window, windowsBetween } from "../../../src/sync/ledger/windows.js";
import { test } from "../../support/database.js";
import { clerkUsers, storedUsers, walksOver } from "../../support/walks.js";

const sandboxes: Sandbox[] = [];
afterEach(async () => {
  for (const sandbox of sandboxes.splice(0)) await sandbox.close();
});

async function started(options: SandboxOptions = {}): Promise<Sandbox> {
  const sandbox = await startSandbox({ users: 1200, clockMs: 1_750_000_000_000, ...options });
  sandboxes.push(sandbox);
  return sandbox;
}

const counts = (sandbox: Sandbox) => sandbox.requests.filter(({ path }) => path === "/v1/users/count").length;
const userWindows = (db: Parameters<typeof storedUsers>[0]) =>
  db.sql<{ after_ms: number | null; before_ms: number | null; done: boolean }[]>`
    select after_ms, before_ms, done from mirror_data.windows where what = 'users' order by run_id, position`;

describe("windows", () => {
  test("hold everybody, whenever created, and share a millisecond with their neighbours", () => {
    const times = fc.integer({ min: -1000, max: 1000 });
    fc.assert(
      fc.property(fc.uniqueArray(times, { maxLength: 8 }), times, (unsorted, at) => {
        const lasts = unsorted.toSorted((a, b) => a - b);
        const windows = windowsBetween(lasts);
        const holds = ({ afterMs, beforeMs }: Window) =>
          (afterMs === null || at > afterMs) && (beforeMs === null || at < beforeMs);
        expect(windows.filter(holds)).toHaveLength(lasts.includes(at) ? 2 : 1);
        expect(windows.map(({ position }) => position)).toEqual([...windows.keys()]);
      }),
    );
  });
});

describe("a backfill in windows", () => {
  test("plans them by counts, walks several side by side, and shows nobody to be missing", async ({ db }) => {
    const sandbox = await started();
    let [open, most] = [0, 0];
    const { backfill, full } = await walksOver(db, sandbox, {
      windowUsers: 100,
      api: (api) => ({
        ...api,
        async listUsers(query, call) {
          most = Math.max(most, ++open);
          return api.listUsers(query, call).finally(() => open--);
        },
      }),
    });
    const run = await backfill();
    expect(run).toMatchObject({ state: "succeeded", users: { expected: 1200 } });
    const windows = await userWindows(db);
    expect(windows.length).toBeGreaterThan(8);
    expect(windows.length).toBeLessThanOrEqual(16 * 2);
    expect(windows.every(({ done }) => done)).toBe(true);
    expect(most).toBeGreaterThan(3);
    // Fewer questions than pages would be needed for as many users at 25 a page.
    expect(counts(sandbox)).toBeLessThan(48);
    expect(await storedUsers(db)).toEqual(clerkUsers(sandbox));
    const differences = { missed_create: 0, missed_update: 0, missed_delete: 0 };
    expect(await full()).toMatchObject({ state: "succeeded", differences });
  });

  test("gets through an unreliable Clerk, window by window", async ({ db }) => {
    const sandbox = await started();
    sandbox.faults.add({ match: "GET /v1/users", share: 0.1, status: 500, body: "<html>" });
    sandbox.faults.add({ match: "GET /v1/users", share: 0.05, cut: "before" });
    sandbox.faults.add({ match: "GET /v1/users", times: 2, after: 20, status: 429, retryAfter: 1 });
    sandbox.faults.add({ match: "GET /v1/users", share: 0.3, delayMs: 100 });
    const { backfill } = await walksOver(db, sandbox, { windowUsers: 100 });
    expect(await backfill()).toMatchObject({ state: "succeeded", error: null });
    expect(await storedUsers(db)).toEqual(clerkUsers(sandbox));
  });

  test("survives users who came in the same millisecond, more than any page shows", async ({ db }) => {
    const sandbox = await started({ users: 50 });
    for (let n = 0; n < 700; n++) {
      sandbox.clerk.createUser({ first_name: `Imported ${n}`, created_at: "2024-01-01T00:00:00.000Z" });
    }
    const { backfill, full } = await walksOver(db, sandbox, { windowUsers: 50 });
    expect(await backfill()).toMatchObject({ state: "succeeded" });
    expect(await storedUsers(db)).toEqual(clerkUsers(sandbox));
    expect(await full()).toMatchObject({ state: "succeeded", differences: { missed_delete: 0 } });
  });

  test("and a check after it are equal to a Clerk whose users came, changed and went meanwhile", async ({
    db,
  }) => {
    const sandbox = await started();
    const { backfill, incremental } = await walksOver(db, sandbox, { windowUsers: 100 });
    let pages = 0;
    sandbox.onListPage = (query) => {
      const users = sandbox.clerk.users();
      const someone = String(users[(++pages * 37) % users.length]?.id);
      if (query.get("limit") !== "500") return;
      if (pages % 4 === 0) sandbox.clerk.deleteUser(someone);
      else if (pages % 4 === 1) sandbox.clerk.updateUser(someone, { first_name: `Changed ${pages}` });
      else if (pages % 4 === 2) sandbox.clerk.createUser({ first_name: `New ${pages}` });
      else {
        const created_at = new Date(Number(users[pages]?.created_at) + 1).toISOString();
        sandbox.clerk.createUser({ first_name: `Backdated ${pages}`, created_at });
      }
    };
    expect(await backfill()).toMatchObject({ state: "succeeded" });
    sandbox.onListPage = () => {};
    expect(await incremental()).toMatchObject({ state: "succeeded" });
    expect(await storedUsers(db)).toEqual(clerkUsers(sandbox));
  });

  test.for([["created_at_before"], ["created_at_after"], ["created_at_after", "created_at_before"]])(
    "is one walk where Clerk's counts ignore %s, and counts of everybody are compared",
    async (names, { db }) => {
      const sandbox = await started();
      sandbox.setCountIgnores(names);
      const { backfill, incremental } = await walksOver(db, sandbox, { windowUsers: 100 });
      expect(await backfill()).toMatchObject({ state: "succeeded" });
      expect(await userWindows(db)).toEqual([{ after_ms: null, before_ms: null, done: true }]);
      expect(await storedUsers(db)).toEqual(clerkUsers(sandbox));
      expect(await incremental()).toMatchObject({ state: "succeeded", requests: 2 });
      sandbox.clerk.deleteUser(String(sandbox.clerk.users()[5]?.id));
      expect(await incremental()).toMatchObject({ state: "succeeded", differences: { missed_delete: 1 } });
      expect(await storedUsers(db)).toEqual(clerkUsers(sandbox));
    },
  );

  test("that leaves a window open fails, says which, proves nothing, and is resumed there alone", async ({
    db,
  }) => {
    const sandbox = await started();
    let broken: number | undefined;
    const { backfill } = await walksOver(db, sandbox, {
      windowUsers: 100,
      api: (api) => ({
        ...api,
        async listUsers(query, call) {
          if (query.limit === 500 && broken === undefined && query.createdAtAfter)
            broken = query.createdAtAfter;
          if (broken !== undefined && query.createdAtAfter === broken)
            throw new Error("no luck with this one");
          return api.listUsers(query, call);
        },
      }),
    });
    const failed = await backfill();
    expect(failed.state).toBe("failed");
    expect(failed.error).toContain(new Date(broken ?? 0).toISOString());
    expect(failed.error).toContain("no luck with this one");
    expect(failed.windows.total - failed.windows.done).toBe(1);
    expect(await db.sql`select as_of, backfilled_at from mirror_data.upstream`).toEqual([
      { as_of: null, backfilled_at: null },
    ]);
    const [asked, counted] = [sandbox.requests.length, counts(sandbox)];
    broken = 0;
    expect(await backfill()).toMatchObject({ id: failed.id, state: "succeeded" });
    const pages = sandbox.requests.slice(asked).filter(({ search }) => search.includes("limit=500"));
    const ofUsers = pages.filter(({ path }) => path === "/v1/users");
    expect(ofUsers.length).toBeLessThanOrEqual(2);
    // What is asked before every walk, and no plan.
    expect(counts(sandbox) - counted).toBeLessThanOrEqual(6);
    expect(await storedUsers(db)).toEqual(clerkUsers(sandbox));
  });
});

describe("a full run in windows", () => {
  test("takes them from the mirror's own users, and finds what is missing, different and gone in each", async ({
    db,
  }) => {
    const sandbox = await started();
    const { backfill, full } = await walksOver(db, sandbox, { windowUsers: 100 });
    await backfill();
    const users = sandbox.clerk.users().toSorted((a, b) => Number(a.created_at) - Number(b.created_at));
    for (let n = 0; n < users.length; n += 100) {
      const at = Number(users[n]?.created_at) + 1;
      sandbox.clerk.createUser({ first_name: "Missed", created_at: new Date(at).toISOString() });
      sandbox.clerk.updateUser(String(users[n]?.id), { first_name: "Changed" });
      sandbox.clerk.deleteUser(String(users[n + 50]?.id));
    }
    const run = await full();
    expect(run).toMatchObject({
      state: "succeeded",
      differences: { missed_create: 12, missed_update: 12, missed_delete: 12 },
    });
    expect(run.difference_ids.missed_delete?.toSorted()).toEqual(
      users
        .filter((_, n) => n % 100 === 50)
        .map(({ id }) => String(id))
        .toSorted(),
    );
    expect(run.windows.total).toBeGreaterThanOrEqual(12);
    expect(await storedUsers(db)).toEqual(clerkUsers(sandbox));
  });

  test("that was interrupted forgets nobody whom it had found missing", async ({ db }) => {
    const sandbox = await started({ users: 600 });
    const options = { windowUsers: 100 };
    await (await walksOver(db, sandbox, options)).backfill();
    const gone = sandbox.clerk.users().filter((_, n) => n % 60 === 0);
    for (const { id } of gone) sandbox.clerk.deleteUser(String(id));
    const interrupted = new AbortController();
    let confirmed = 0;
    const { walks } = await walksOver(db, sandbox, {
      ...options,
      api: (api) => ({
        ...api,
        // Some windows are closed, and another waits for Clerk's word about who is missing in it.
        async listUsers(query, call) {
          if (query.userIds && ++confirmed > 1) {
            const closed = () =>
              db.sql`select from mirror_data.windows where what = 'users' and done and run_id = ${runId}`;
            await expect.poll(async () => (await closed()).count).toBeGreaterThan(0);
            interrupted.abort();
          }
          return api.listUsers(query, call);
        },
      }),
    });
    const runId = await walks.enqueue("full");
    await walks.run(interrupted.signal);
    const state = async () =>
      (await db.sql`select state from mirror_data.runs where id = ${runId}`)[0]?.state;
    expect(await state()).toBe("running");
    const again = new AbortController();
    const running = (await walksOver(db, sandbox, options)).walks.run(again.signal);
    await expect.poll(state, { timeout: 10_000 }).toBe("succeeded");
    again.abort();
    await running;
    expect(await storedUsers(db)).toEqual(clerkUsers(sandbox));
  });

  test("spread over its interval reads every window again, and repairs as it goes", async ({ db }) => {
    const sandbox = await started({ users: 600 });
    const options = { windowUsers: 100, fullIntervalMs: 2000 };
    const { backfill, walks } = await walksOver(db, sandbox, options);
    await backfill();
    const users = sandbox.clerk.users();
    sandbox.clerk.updateUser(String(users[3]?.id), { first_name: "Changed" });
    sandbox.clerk.deleteUser(String(users[400]?.id));
    sandbox.clerk.createUser({ first_name: "Missed", created_at: "2020-01-01T00:00:00Z" });
    const stop = new AbortController();
    const running = walks.run(stop.signal);
    const run = async () =>
      (await db.sql`select * from mirror_data.runs where rolling order by queued_at`)[0];
    await expect.poll(async () => (await run())?.state, { timeout: 20_000 }).toBe("succeeded");
    stop.abort();
    await running;
    expect(await run()).toMatchObject({ missed_create: 1, missed_update: 1, missed_delete: 1, error: null });
    const windows = (await userWindows(db)).filter(({ done }) => done);
    expect(windows.length).toBeGreaterThanOrEqual(6);
    expect(await storedUsers(db)).toEqual(clerkUsers(sandbox));
  });

  test("spread over its interval tries a window again that failed, and goes on where another process left it", async ({
    db,
  }) => {
    const sandbox = await started({ users: 300 });
    const options = { windowUsers: 100, fullIntervalMs: 1000 };
    await (await walksOver(db, sandbox, options)).backfill();
    sandbox.clerk.updateUser(String(sandbox.clerk.users()[3]?.id), { first_name: "Changed" });
    const error = { errors: [{ message: "", long_message: "", code: "clerk_key_invalid" }] };
    sandbox.faults.add({ match: "GET /v1/users$", after: 3, times: 1, status: 401, body: error });
    const run = async () =>
      (await db.sql`select * from mirror_data.runs where rolling order by queued_at`)[0];
    const first = new AbortController();
    const one = (await walksOver(db, sandbox, options)).walks.run(first.signal);
    await expect.poll(async () => (await run())?.error, { timeout: 10_000 }).toContain("CLERK_SECRET_KEY");
    first.abort();
    await one;
    const second = new AbortController();
    const other = (await walksOver(db, sandbox, options)).walks.run(second.signal);
    await expect.poll(async () => (await run())?.state, { timeout: 10_000 }).toBe("succeeded");
    second.abort();
    await other;
    expect(await run()).toMatchObject({ missed_update: 1, error: null });
    expect(await storedUsers(db)).toEqual(clerkUsers(sandbox));
  });
});
