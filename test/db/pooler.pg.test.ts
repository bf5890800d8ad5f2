import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { migrateDatabase } from "../../src/db/migrate.js";
import { startPgBouncer, startPostgres15 } from "../support/external-postgres.js";

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
    } finally {
      await pooler.remove();
    }
  });

  test("in session mode it is migrated", async () => {
    const pooler = await startPgBouncer(postgres.url, "session");
    try {
      await migrateDatabase({ url: pooler.url });
    } finally {
      await pooler.remove();
    }
  });
});
