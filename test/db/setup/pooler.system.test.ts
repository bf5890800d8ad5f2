import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { migrateDatabase } from "../../../src/db/setup/migrate.js";
import { startSandbox } from "../../../src/sandbox/server.js";
import { cli } from "../../support/cli.js";
import { startPgBouncer, startPostgres15 } from "../../support/external-postgres.js";
import { expectSame, startMirror } from "../../support/mirror.js";

describe("DATABASE_URL through PgBouncer", () => {
  let postgres: Awaited<ReturnType<typeof startPostgres15>>;

  beforeAll(async () => {
    postgres = await startPostgres15();
  });
  afterAll(() => postgres?.remove());

  test("in transaction mode it is refused, with the reason and the way out, before anything is written", async () => {
    const pooler = await startPgBouncer(postgres.url, "transaction");
    try {
      await expect(migrateDatabase({ url: pooler.url })).rejects.toMatchObject({
        code: "configuration",
        message: expect.stringMatching(/transaction pooler.*direct address, or a pool in session mode/),
      });
      const { code, value } = await cli(pooler.url, ["doctor"], { PORT: "0" });
      expect(code).toBe(1);
      expect(value.checks).toContainEqual({
        ...{ name: "database pooler", status: "failed" },
        message: expect.stringMatching(/transaction pooler/),
        fix: expect.any(String),
      });
    } finally {
      await pooler.remove();
    }
  });

  test("in session mode everything works: backfill, webhooks, searches and writes", async () => {
    const pooler = await startPgBouncer(postgres.url, "session");
    const sandbox = await startSandbox({ users: 60, organizations: 2 });
    const server = await startMirror({ sandbox, databaseUrl: pooler.url });
    try {
      sandbox.clerk.createUser({ first_name: "Xylophila", last_name: "Queried" });
      await sandbox.webhooks.settle();
      await expectSame(server.url, sandbox);
      const headers = { Authorization: `Bearer ${sandbox.secretKey}` };
      const found = await fetch(`${server.url}/v1/users?query=xylophil`, { headers });
      expect(found.headers.get("x-mirror-source")).toBe("local");
      const [user] = (await found.json()) as { id: string; last_name: string }[];
      expect(user?.last_name).toBe("Queried");
      const written = await fetch(`${server.url}/v1/users/${user?.id}`, { method: "DELETE", headers });
      expect(written.status).toBe(200);
      await expectSame(server.url, sandbox);
    } finally {
      await server.stop();
      await sandbox.close();
      await pooler.remove();
    }
  });
});
