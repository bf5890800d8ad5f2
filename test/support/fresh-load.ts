import { setTimeout } from "node:timers/promises";
import { expect } from "vitest";
import { connect } from "../../src/db/connection/client.js";
import { startSandbox } from "../../src/sandbox/server.js";
import { walksOver } from "./walks.js";

/** Checks that a load read no table from end to end again and again: `read` is what `loadWithoutAutovacuum` gives for so many users. */
export function expectNoRepeatedScans(read: ReadonlyMap<string, number>, users: number): void {
  for (const [table, rows] of read) {
    // An index that is built beside what goes on reads its table twice.
    expect({ table, rows, within: rows <= 2 * users }).toEqual({ table, rows, within: true });
  }
}

/** How many rows were read by reading tables from end to end, by table, while `users` and as many memberships were loaded. */
export async function loadWithoutAutovacuum(url: string, users: number): Promise<Map<string, number>> {
  const database = connect({ url });
  const { sql } = database.primary;
  const tables = await sql<{ name: string }[]>`
    select tablename as name from pg_tables where schemaname = 'mirror_data'`;
  for (const { name } of tables) {
    await sql.unsafe(`alter table mirror_data.${name} set (autovacuum_enabled = false)`);
  }
  // Tables known to be empty are the worst case: whatever is planned now is planned for them.
  for (const { name } of tables) await sql.unsafe(`vacuum (analyze) mirror_data.${name}`);
  const sandbox = await startSandbox({ users, organizations: 0 });
  const [first] = sandbox.clerk.users();
  const { id: organization_id } = sandbox.clerk.createOrganization({
    name: "All",
    created_by: String(first?.id),
  });
  for (const { id } of sandbox.clerk.users().slice(1)) {
    sandbox.clerk.createMembership({ organization_id, user_id: String(id), role: "org:member" });
  }
  try {
    const { backfill } = await walksOver({ database, sql }, sandbox);
    expect(await backfill()).toMatchObject({ state: "succeeded" });
  } finally {
    await sandbox.close();
  }
  // What a session has counted is told to all when it ends.
  await database.close();
  const after = connect({ url, poolMax: 1 });
  const others = async () =>
    (
      await after.primary.sql`
        select from pg_stat_activity
        where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()`
    ).count;
  while ((await others()) > 0) await setTimeout(50);
  const read = await after.primary.sql<{ name: string; n: number }[]>`
    select relname as name, seq_tup_read::bigint as n from pg_stat_user_tables
    where schemaname = 'mirror_data' and relname <> '__drizzle_migrations'`;
  await after.close();
  return new Map(read.map(({ name, n }) => [name, n]));
}
