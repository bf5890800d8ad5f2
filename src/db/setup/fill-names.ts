import type postgresType from "postgres";
import { completeUsers, everySoOften, type Filling, unhurried, vacuum } from "./filling.js";

const WRITTEN = ["user_search", "user_names"] as const;

/**
 * Fills the table of names, and what is searched beside them (migration 0034), while processes of the version before read and write:
 * what they write meanwhile is completed by its triggers. Interrupted, it begins again, and writes nothing that is filled already.
 */
export async function fillNames(sql: postgresType.Sql, { patience, onProgress }: Filling): Promise<void> {
  const report = everySoOften(onProgress);
  const filled = await completeUsers<{ id: string; created_at: string }>(sql, patience, {
    // As they lie in the table.
    next: (after, limit) => sql`
      select s.id, s.created_at::text from mirror_data.user_search s
      where (s.created_at, s.id) > (${after?.created_at ?? "-1"}::text::bigint, ${after?.id ?? ""}::text)
      order by s.created_at, s.id limit ${limit}`,
    complete: "complete_names",
    tables: WRITTEN,
    onBatch: (done, users) => report(`Names are put apart: ${done} of ${users} users.`),
  });
  if (filled === 0) return;
  await unhurried(sql, patience, () => vacuum(sql, WRITTEN, "analyze, "));
}
