import type postgresType from "postgres";
import { completeUsers, everySoOften, type Filling, unhurried, vacuum, type Walk } from "./filling.js";

const WRITTEN = ["user_search", "user_names"] as const;

/**
 * Fills the table of names, and what is searched beside them (migration 0034), while processes of the version before read and write:
 * what they write meanwhile is completed by its triggers. Interrupted, it begins again, and writes nothing that is filled already.
 */
export async function fillNames(sql: postgresType.Sql, { patience, onProgress }: Filling): Promise<void> {
  const report = everySoOften(onProgress);
  const complete = <U extends { id: string }>(next: Walk<U>["next"]) =>
    completeUsers<U>(sql, patience, {
      ...{ next, complete: "complete_names", tables: WRITTEN },
      onBatch: (done, users) => report(`Names are put apart: ${done} of ${users} users.`),
    });
  // As they lie in the table.
  const filled = await complete<{ id: string; created_at: string }>(
    (after, limit) => sql`
      select s.id, s.created_at::text from mirror_data.user_search s
      where (s.created_at, s.id) > (${after?.created_at ?? "-1"}::text::bigint, ${after?.id ?? ""}::text)
      order by s.created_at, s.id limit ${limit}`,
  );
  if (filled === 0) return;
  await unhurried(sql, patience, () => vacuum(sql, WRITTEN, "analyze, "));
  // Whoever was given another time of creation meanwhile, and was passed by so.
  await complete<{ id: string }>(
    (after, limit) => sql`
      select s.id from mirror_data.user_search s
      where s.id > ${after?.id ?? ""}
        and not exists (select from mirror_data.user_names n where n.id = s.id)
      order by s.id limit ${limit}`,
  );
}
