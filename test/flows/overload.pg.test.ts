// Covers src/query/search-pool.ts, src/lib/shares.ts

import { afterEach, describe, expect } from "vitest";
import { newKey } from "../../src/auth/stored-keys.js";
import { insertApiKey } from "../../src/db/api-keys.js";
import type { RunningServer } from "../../src/runtime/server.js";
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
  await insertApiKey(db.database.primary.orm, { id, name, digest, scopes: ["users:read"] });
  return (path: string, init: RequestInit = {}) =>
    fetch(`${server.url}${path}`, { ...init, headers: { Authorization: `Bearer ${key}` } });
}

/** Makes each search take half a second, until `free` is called. Neither reads by id nor organizations need that table. */
async function slowSearches({ sql }: TestDatabase): Promise<{ free: () => Promise<unknown> }> {
  await sql.unsafe(`
    alter table mirror_data.user_search rename to user_search_rows;
    create view mirror_data.user_search as
      select * from mirror_data.user_search_rows where (select pg_sleep(0.5)) is not null`);
  return {
    free: () =>
      sql.unsafe(`
        drop view mirror_data.user_search;
        alter table mirror_data.user_search_rows rename to user_search`),
  };
}

/** Searches of the server that are slow. */
async function searchesUnderWay({ sql }: TestDatabase): Promise<number> {
  const [row] = await sql<{ n: number }[]>`
    select count(*)::bigint as n from pg_stat_activity
    where datname = current_database() and wait_event = 'PgSleep'`;
  return row?.n ?? 0;
}

describe("hundreds of searches of one key at once", () => {
  test("are shed beyond what may wait, while reads by id, webhooks and the searches of others go on", async ({
    db,
  }) => {
    await start(db);
    const [greedy, modest] = await Promise.all([caller(db, "greedy"), caller(db, "modest")]);
    const id = String(sandbox.clerk.users()[0]?.id);
    expect((await modest(`/v1/users/${id}`)).status).toBe(200);
    const { free } = await slowSearches(db);

    const order: string[] = [];
    const search = async (n: number) => {
      const answer = await greedy(`/v1/users/count?query=a&username_query=${n}`);
      order.push(answer.status === 200 ? "greedy" : "shed");
      const { status, headers } = answer;
      return { status, retryAfter: headers.get("retry-after"), body: JSON.parse(await answer.text()) };
    };
    const all: ReturnType<typeof search>[] = [];
    while (all.length < 650) {
      for (let n = 0; n < 50; n++) all.push(search(all.length));
      // Connections are accepted one after another: more at once than its backlog holds would be the kernel's to refuse.
      await fetch(`${server.url}/healthz`);
    }
    // Those for whom there is no room are told at once.
    const shedSoFar = () => order.filter((one) => one === "shed").length;
    await expect.poll(shedSoFar, { timeout: 30_000 }).toBeGreaterThan(50);

    const theirs = modest("/v1/users/count?query=a");
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
    const shed = answers.filter(({ status }) => status === 503);
    expect(answers.filter(({ status }) => status === 200).length + shed.length).toBe(650);
    for (const { retryAfter, body } of shed) {
      expect([retryAfter, body.errors[0].code]).toEqual(["1", "service_unavailable"]);
    }
  }, 120_000);

  test("leave with their callers, and take their statements with them", async ({ db }) => {
    await start(db);
    const [leaver, stayer] = await Promise.all([caller(db, "leaver"), caller(db, "stayer")]);
    const { free } = await slowSearches(db);
    const leaving = new AbortController();
    const all = Array.from({ length: 50 }, (_, n) =>
      leaver(`/v1/users/count?query=a&username_query=${n}`, { signal: leaving.signal }).catch(() => "left"),
    );
    await expect.poll(() => searchesUnderWay(db), { timeout: 20_000 }).toBeGreaterThan(0);
    leaving.abort();
    expect(new Set(await Promise.all(all))).toEqual(new Set(["left"]));
    await expect.poll(() => searchesUnderWay(db), { timeout: 20_000 }).toBe(0);
    await free();
    expect((await stayer("/v1/users/count?query=a")).status).toBe(200);
  });
});
