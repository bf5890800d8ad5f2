// Covers src/db/setup/statistics.ts, src/sync/reconcile/{backfill,apply-page}.ts

import { test } from "vitest";
import { freshDatabase } from "../../support/database.js";
import { expectNoRepeatedScans, loadWithoutAutovacuum } from "../../support/fresh-load.js";

test("a fresh load reads no table from end to end again and again, though nobody analyzes it meanwhile", async () => {
  const { url, drop } = await freshDatabase();
  const users = 4000;
  const read = await loadWithoutAutovacuum(url, users);
  await drop();
  expectNoRepeatedScans(read, users);
}, 180_000);
