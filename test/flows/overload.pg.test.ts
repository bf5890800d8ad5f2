import { afterEach, describe, expect } from "vitest";
import { newKey } from "../../src/auth/stored-keys.js";
import { insertApiKey } from "../../src/db/api-keys.js";
import type { RunningServer } from "../../src/runtime.js";
import { type Sandbox, startSandbox } from "../../src/sandbox/server.js";
import { type TestDatabase, test } from "../support/database.js";
import { startMirror } from "../support/mirror.js";

let sandbox: Sandbox;
let server: RunningServer;

afterEach(async () => {
  await server.stop();
  await sandbox.close();
});

async function start(db: TestDatabase): Promise<void> {
  sandbox = await startSandbox({ users: 20, organizations: 2 });
  server = await startMirror({ sandbox, databaseUrl: db.url, env: { RECONCILE_INTERVAL: "0" } });
}

/** Somebody with a key of his own. */
async function caller(db: TestDatabase, name: string) {
  const { key, id, digest } = newKey();
  await insertApiKey(db.database.orm, { id, name, digest, scopes: ["users:read"] });
  return (path: string, init: RequestInit = {}) =>
    fetch(`${server.url}${path}`, { ...init, headers: { Authorization: `Bearer ${key}` } });
}

/** Searches take until `free` is called: they wait for a table that neither reads by id nor organizations need. */
async function holdSearches(db: TestDatabase): Promise<{ free: () => Promise<void> }> {
  let free = () => {};
  const held = new Promise<void>((resolve) => {
    free = resolve;
  });
  let locked = () => {};
  const isLocked = new Promise<void>((resolve) => {
    locked = resolve;
  });
  const transaction = db.sql.begin(async (tx) => {
    await tx`lock table mirror_data.user_search in access exclusive mode`;
    locked();
    await held;
  });
  await isLocked;
  return {
    async free() {
      free();
      await transaction;
    },
  };
}

/** Searches of the server that wait for that table. */
async function searchesUnderWay({ sql }: TestDatabase): Promise<number> {
  const [row] = await sql<{ n: number }[]>`
    select count(*)::bigint as n from pg_stat_activity
    where datname = current_database() and application_name = 'user-mirror search' and wait_event_type = 'Lock'`;
  return row?.n ?? 0;
}

describe("a thousand searches of one key at once", () => {
  test("are shed beyond what may wait, while reads by id, webhooks and the searches of others go on", async ({
    db,
  }) => {
    await start(db);
    const [greedy, modest] = await Promise.all([caller(db, "greedy"), caller(db, "modest")]);
    const id = String(sandbox.clerk.users()[0]?.id);
    expect((await modest(`/v1/users/${id}`)).status).toBe(200);
    const { free } = await holdSearches(db);

    const order: string[] = [];
    const all = Array.from({ length: 1000 }, async (_, n) => {
      const answer = await greedy(`/v1/users/count?query=a&username_query=${n}`);
      order.push(answer.status === 200 ? "greedy" : "shed");
      return {
        status: answer.status,
        retryAfter: answer.headers.get("retry-after"),
        body: JSON.parse(await answer.text()),
      };
    });
    // Those for whom there is no room are told while nothing moves.
    await expect.poll(() => order.length, { timeout: 30_000 }).toBeGreaterThan(400);
    expect(new Set(order)).toEqual(new Set(["shed"]));

    const theirs = modest("/v1/users/count?query=a").then((answer) => {
      order.push("modest");
      return answer;
    });
    expect((await modest(`/v1/users/${id}`)).status).toBe(200);
    expect((await modest(`/v1/users/${id}/organization_memberships`)).status).toBe(200);
    const organizationId = String(sandbox.clerk.organizations()[0]?.id);
    sandbox.clerk.updateOrganization(organizationId, { name: "Renamed" });
    await sandbox.webhooks.settle();
    const [stored] = await db.sql<{ name: string }[]>`
      select name from mirror.organizations where id = ${organizationId}`;
    expect(stored?.name).toBe("Renamed");

    await free();
    expect((await theirs).status).toBe(200);
    const answers = await Promise.all(all);
    expect(order.indexOf("modest")).toBeLessThan(order.lastIndexOf("greedy"));
    const shed = answers.filter(({ status }) => status === 503);
    expect(answers.filter(({ status }) => status === 200).length + shed.length).toBe(1000);
    for (const { retryAfter, body } of shed) {
      expect([retryAfter, body.errors[0].code]).toEqual(["1", "service_unavailable"]);
    }
  });

  test("leave with their callers, and take their statements with them", async ({ db }) => {
    await start(db);
    const [leaver, stayer] = await Promise.all([caller(db, "leaver"), caller(db, "stayer")]);
    const { free } = await holdSearches(db);
    const leaving = new AbortController();
    const all = Array.from({ length: 50 }, (_, n) =>
      leaver(`/v1/users/count?query=a&username_query=${n}`, { signal: leaving.signal }).catch(() => "left"),
    );
    await expect.poll(() => searchesUnderWay(db)).toBeGreaterThan(0);
    leaving.abort();
    expect(new Set(await Promise.all(all))).toEqual(new Set(["left"]));
    await expect.poll(() => searchesUnderWay(db)).toBe(0);
    await free();
    expect((await stayer("/v1/users/count?query=a")).status).toBe(200);
  });
});
