// Covers src/db/setup/statistics.ts

import { test } from "vitest";
import { migrateDatabase } from "../../../src/db/setup/migrate.js";
import { startPostgres15 } from "../../support/external-postgres.js";
import { expectNoRepeatedScans, loadWithoutAutovacuum } from "../../support/fresh-load.js";

test("on PostgreSQL 15 too a fresh load reads no table from end to end again and again", async () => {
  const server = await startPostgres15();
  await migrateDatabase({ url: server.url });
  const users = 4000;
  const read = await loadWithoutAutovacuum(server.url, users);
  await server.remove();
  expectNoRepeatedScans(read, users);
}, 180_000);
