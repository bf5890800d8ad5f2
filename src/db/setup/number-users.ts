import type postgresType from "postgres";
import { textArray } from "../connection/bulk.js";
import { BATCH, everySoOften, type Filling, unhurried, VACUUM_AFTER, vacuum } from "./filling.js";
import { betweenLocks } from "./migration-locks.js";
import { buildConcurrently } from "./search-index.js";

const REWRITTEN = ["users", "user_activity", "active_days"] as const;

/**
 * Numbers the users of a database that had none (migration 0019) in the order of their creation, counts them by day, and marks the
 * days that their stored times tell of, while processes of the version before read and write: what they write meanwhile is completed
 * by its trigger. Interrupted, it begins again, and writes nothing that is done already.
 */
export async function numberUsers(sql: postgresType.Sql, { patience, onProgress }: Filling): Promise<void> {
  const [users] = await sql<{ n: number }[]>`
    select greatest(0, max(n))::int as n from mirror_data.counters where name = 'users'`;
  const report = everySoOften(onProgress);
  let numbered = 0;
  for (let after = { id: "", created_at: "-1" }; ; ) {
    const found = await sql<{ id: string; created_at: string }[]>`
      select s.id, s.created_at::text from mirror_data.user_search s
      where (s.created_at, s.id) > (${after.created_at}::text::bigint, ${after.id}::text)
      order by s.created_at, s.id limit ${BATCH}`;
    const last = found.at(-1);
    if (last === undefined) break;
    const batch = textArray(found.map(({ id }) => id));
    await betweenLocks(sql, patience, () => completeBatch(sql, batch));
    after = last;
    numbered += found.length;
    report(`Users are numbered: ${numbered} of ${Math.max(users?.n ?? 0, numbered)}.`);
    if (numbered % VACUUM_AFTER === 0) await unhurried(sql, patience, () => vacuum(sql, REWRITTEN));
  }
  if (numbered === 0) return;
  await unhurried(sql, patience, async () => {
    report("Users are numbered: the index of their numbers is built.");
    await buildConcurrently(sql, "users_chunk", "on mirror_data.users ((number / 1024))");
    await vacuum(sql, REWRITTEN, "analyze, ");
  });
}

/** Locks in the order in which everybody does. */
const completeBatch = (sql: postgresType.Sql, ids: string) =>
  sql.begin(async (tx) => {
    await tx`
      select from mirror_data.users where id = any(${ids}::text::text[]) order by id for no key update`;
    await tx`select mirror_data.complete_history(${ids}::text::text[])`;
  });
