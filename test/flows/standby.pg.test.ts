// Covers src/runtime/store.ts, src/db/connection/{availability,proofs}.ts

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connect } from "../../src/db/connection/client.js";
import { migrateDatabase } from "../../src/db/setup/migrate.js";
import type { RunningServer } from "../../src/runtime/server.js";
import { type Sandbox, startSandbox } from "../../src/sandbox/server.js";
import { startPostgres, startStandby } from "../support/external-postgres.js";
import { expectSame, startMirror } from "../support/mirror.js";

describe("a hot standby as DATABASE_URL", () => {
  let primary: Awaited<ReturnType<typeof startPostgres>>;
  let standby: Awaited<ReturnType<typeof startStandby>>;
  let sandbox: Sandbox;
  let server: RunningServer;
  let version = "";

  beforeAll(async () => {
    primary = await startPostgres();
    standby = await startStandby(primary);
    sandbox = await startSandbox({ users: 40, organizations: 2, retryScheduleMs: [200, 200, 200] });
  });
  afterAll(async () => {
    await server?.stop();
    await sandbox?.close();
    await standby?.remove();
    await primary?.remove();
  });

  const headers = () => ({ Authorization: `Bearer ${sandbox.secretKey}` });
  const read = (path: string, more = {}) =>
    fetch(`${server.url}${path}`, { headers: { ...headers(), ...more } });
  const stateOf = async () =>
    ((await (await fetch(`${server.url}/readyz`)).json()) as { state: string }).state;

  test("without the schema of this version is refused, with the way out", async () => {
    await expect(migrateDatabase({ url: standby.url })).rejects.toMatchObject({
      code: "configuration",
      message: expect.stringMatching(/DATABASE_URL is a standby.*primary's address/),
    });
  });

  test("answers reads from what it holds, and by Clerk those that must not be older than a write", async () => {
    const first = await startMirror({ sandbox, databaseUrl: primary.url });
    const [user] = sandbox.clerk.users();
    const written = await fetch(`${first.url}/v1/users/${user?.id}/metadata`, {
      method: "PATCH",
      headers: { ...headers(), "Content-Type": "application/json" },
      body: JSON.stringify({ public_metadata: { seen: true } }),
    });
    version = written.headers.get("x-mirror-version") ?? "";
    expect(version).not.toBe("");
    const {
      primary: { sql },
      close,
    } = first.mirror.store.database;
    const [end] = await sql<{ lsn: string }[]>`select pg_current_wal_insert_lsn() as lsn`;
    const replica = connect({ url: standby.url });
    const reached = () =>
      replica.primary.sql`select pg_last_wal_replay_lsn() >= ${end?.lsn ?? ""}::text::pg_lsn as reached`;
    await expect.poll(reached, { timeout: 20_000 }).toEqual([{ reached: true }]);
    await replica.close();
    await first.stop();
    await close();

    server = await startMirror({ sandbox, databaseUrl: standby.url, untilLive: false });
    await expect.poll(stateOf, { timeout: 10_000 }).toBe("degraded");
    const paths = [
      `/v1/users/${user?.id}`,
      "/v1/users",
      "/v1/users/count",
      `/v1/users/${user?.id}/organization_memberships`,
    ];
    for (const path of paths) {
      const local = await read(path);
      expect([path, local.status, local.headers.get("x-mirror-source")]).toEqual([path, 200, "local"]);
      const asked = await read(path, { "X-Mirror-Min-Version": version });
      expect([path, asked.status, asked.headers.get("x-mirror-source")]).toEqual([path, 200, "upstream"]);
    }
    expect((await read("/mirror/status")).status).toBeLessThan(500);
    const unknown = sandbox.clerk.createUser({ first_name: "New" });
    expect((await read(`/v1/users/${unknown.id}`)).status).toBe(200);
  }, 60_000);

  test("lets writes through to Clerk, and reads them back from there", async () => {
    const [user] = sandbox.clerk.users();
    const written = await fetch(`${server.url}/v1/users/${user?.id}`, {
      method: "PATCH",
      headers: { ...headers(), "Content-Type": "application/json" },
      body: JSON.stringify({ first_name: "Written" }),
    });
    expect(written.status).toBe(200);
    const back = (await (await read(`/v1/users/${user?.id}`)).json()) as { first_name: string };
    expect(back.first_name).toBe("Written");
  });

  test("is whole by itself once it is promoted", async () => {
    await standby.promote();
    await expect.poll(stateOf, { timeout: 30_000 }).toBe("live");
    await expect
      .poll(
        () =>
          expectSame(server.url, sandbox).then(
            () => true,
            () => false,
          ),
        { timeout: 30_000 },
      )
      .toBe(true);
    const asked = await read("/v1/users", { "X-Mirror-Min-Version": version });
    expect([asked.status, asked.headers.get("x-mirror-source")]).toEqual([200, "upstream"]);
  }, 90_000);
});
