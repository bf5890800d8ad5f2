import type postgresType from "postgres";
import { textArray } from "../connection/bulk.js";
import { BATCH, everySoOften, type Filling, unhurried, VACUUM_AFTER, vacuum } from "./filling.js";
import { betweenLocks } from "./migration-locks.js";
import { buildConcurrently } from "./search-index.js";

const REWRITTEN = ["users", "user_search", "user_activity", "user_metadata", "user_identifiers"] as const;
/**
 * Fills the columns that migration 0016 adds, while processes of the version before read and write: what they write meanwhile is
 * completed by its trigger. Interrupted, it begins again, and writes nothing that is filled already.
 */
export async function fillColumns(sql: postgresType.Sql, { patience, onProgress }: Filling): Promise<void> {
  const [users] = await sql<{ n: number }[]>`
    select greatest(0, max(n))::int as n from mirror_data.counters where name = 'users'`;
  const report = everySoOften(onProgress);
  let filled = 0;
  for (let after = ""; ; ) {
    const ids = await sql<{ id: string }[]>`
      select id from mirror_data.users where id > ${after} order by id limit ${BATCH}`;
    const last = ids.at(-1)?.id;
    if (last === undefined) break;
    const batch = textArray(ids.map(({ id }) => id));
    await betweenLocks(sql, patience, () => fillBatch(sql, batch));
    after = last;
    filled += ids.length;
    report(`New columns are filled: ${filled} of ${Math.max(users?.n ?? 0, filled)} users.`);
    if (filled % VACUUM_AFTER === 0) await unhurried(sql, patience, () => vacuum(sql, REWRITTEN));
  }
  if (filled === 0) return;
  await unhurried(sql, patience, async () => {
    report("New columns are filled: statistics are taken.");
    await vacuum(sql, REWRITTEN, "analyze, ");
    for (const column of ["email_domains", "providers"]) {
      report(`New columns are filled: the index of ${column} is built.`);
      await buildConcurrently(
        sql,
        `user_search_${column}`,
        `on mirror_data.user_search using gin (${column})`,
      );
    }
  });
}

/** Locks in the order in which everybody does. */
const fillBatch = (sql: postgresType.Sql, ids: string) =>
  sql.begin(async (tx) => {
    await tx`
      select from mirror_data.users where id = any(${ids}::text::text[]) order by id for no key update`;
    await tx`select mirror_data.complete_users(${ids}::text::text[])`;
  });
