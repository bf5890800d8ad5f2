import type postgresType from "postgres";
import { completeUsers, everySoOften, type Filling, unhurried, vacuum } from "./filling.js";
import { buildConcurrently } from "./search-index.js";

const REWRITTEN = ["users", "user_activity", "active_days"] as const;

/**
 * Numbers the users of a database that had none (migration 0019) in the order of their creation, counts them by day, and marks the
 * days that their stored times tell of, while processes of the version before read and write: what they write meanwhile is completed
 * by its trigger. Interrupted, it begins again, and writes nothing that is done already.
 */
export async function numberUsers(sql: postgresType.Sql, { patience, onProgress }: Filling): Promise<void> {
  const report = everySoOften(onProgress);
  const numbered = await completeUsers<{ id: string; created_at: string }>(sql, patience, {
    next: (after, limit) => sql`
      select s.id, s.created_at::text from mirror_data.user_search s
      where (s.created_at, s.id) > (${after?.created_at ?? "-1"}::text::bigint, ${after?.id ?? ""}::text)
      order by s.created_at, s.id limit ${limit}`,
    complete: "complete_history",
    tables: REWRITTEN,
    onBatch: (done, users) => report(`Users are numbered: ${done} of ${users}.`),
  });
  if (numbered === 0) return;
  await unhurried(sql, patience, async () => {
    report("Users are numbered: the index of their numbers is built.");
    await buildConcurrently(sql, "users_chunk", "on mirror_data.users ((number / 1024))");
    await vacuum(sql, REWRITTEN, "analyze, ");
  });
}
