// Covers src/db/setup/statistics.ts, src/sync/reconcile/{backfill,apply-page}.ts

import { expect, test } from "vitest";
import { freshDatabase } from "../../support/database.js";
import { loadWithoutAutovacuum } from "../../support/fresh-load.js";

test("a fresh load reads no table from end to end again and again, though nobody analyzes it meanwhile", async () => {
  const { url, drop } = await freshDatabase();
  const users = 4000;
  const read = await loadWithoutAutovacuum(url, users);
  await drop();
  // An index that is built beside what goes on reads its table twice, and `user_search` has two of them.
  const most = (table: string) => (table === "user_search" ? 4 : 2) * users;
  for (const [table, n] of read) expect([table, n <= most(table)]).toEqual([table, true]);
}, 180_000);
