import type postgresType from "postgres";
import { textArray } from "../connection/bulk.js";
import { betweenLocks, type Patience } from "./migration-locks.js";
import { buildConcurrently } from "./search-index.js";

export interface Filling {
  patience: Patience;
  /** Told now and then how far it is. */
  onProgress: (progress: string) => void;
}

/** A batch is a transaction: whoever writes one of its users waits for a fraction of a second. */
const BATCH = 250;
const TELL_MS = 5000;
/** The room that updates leave behind is used again only after a vacuum: the tables would grow by half otherwise. */
const VACUUM_AFTER = 100_000;
const REWRITTEN = ["users", "user_search", "user_activity", "user_metadata", "user_identifiers"] as const;
/** A vacuum waits for another one, and an index for whatever transaction is older. Nobody waits behind them. */
const UNHURRIED_LOCK_TIMEOUT = "2min";

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
    if (filled % VACUUM_AFTER === 0) await unhurried(sql, patience, () => vacuum(sql));
  }
  if (filled === 0) return;
  await unhurried(sql, patience, async () => {
    report("New columns are filled: statistics are taken.");
    await vacuum(sql, "analyze, ");
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

/** Without workers: they share memory, and a container may have next to none of it (/dev/shm). */
const vacuum = (sql: postgresType.Sql, analyze = "") =>
  sql.unsafe(`vacuum (${analyze}parallel 0) ${REWRITTEN.map((table) => `mirror_data.${table}`).join(", ")}`);

async function unhurried(
  sql: postgresType.Sql,
  patience: Patience,
  work: () => Promise<unknown>,
): Promise<void> {
  const [before] = await sql<{ timeout: string }[]>`
    select current_setting('lock_timeout') as timeout, set_config('lock_timeout', ${UNHURRIED_LOCK_TIMEOUT}, false)`;
  await betweenLocks(sql, patience, work);
  await sql`select set_config('lock_timeout', ${before?.timeout ?? "0"}, false)`;
}

function everySoOften(tell: (text: string) => void): (text: string) => void {
  let toldAtMs = performance.now();
  return (text) => {
    if (performance.now() - toldAtMs < TELL_MS) return;
    toldAtMs = performance.now();
    tell(text);
  };
}
