import type postgresType from "postgres";
import { completeUsers, everySoOften, type Filling, unhurried, vacuum } from "./filling.js";
import { buildConcurrently } from "./search-index.js";

const REWRITTEN = ["users", "user_search", "user_activity", "user_metadata", "user_identifiers"] as const;

/**
 * Fills the columns that migration 0016 adds, while processes of the version before read and write: what they write meanwhile is
 * completed by its trigger. Interrupted, it begins again, and writes nothing that is filled already.
 */
export async function fillColumns(sql: postgresType.Sql, { patience, onProgress }: Filling): Promise<void> {
  const report = everySoOften(onProgress);
  const filled = await completeUsers<{ id: string }>(sql, patience, {
    next: (after, limit) => sql`
      select id from mirror_data.users where id > ${after?.id ?? ""} order by id limit ${limit}`,
    complete: "complete_users",
    tables: REWRITTEN,
    onBatch: (done, users) => report(`New columns are filled: ${done} of ${users} users.`),
  });
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
