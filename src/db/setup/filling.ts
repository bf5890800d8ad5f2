import type postgresType from "postgres";
import { textArray } from "../connection/bulk.js";
import { betweenLocks, type Patience } from "./migration-locks.js";

// What the work between two migrations shares that fills large tables or builds their indexes.

export interface Filling {
  patience: Patience;
  /** Told now and then how far it is. */
  onProgress: (progress: string) => void;
}

/** A batch is a transaction: whoever writes one of its users waits for a fraction of a second. */
const BATCH = 250;
/** The room that updates leave behind is used again only after a vacuum: the tables would grow by half otherwise. */
const VACUUM_AFTER = 100_000;
const TELL_MS = 5000;
/** A vacuum waits for another one, and an index for whatever transaction is older. Nobody waits behind them. */
const UNHURRIED_LOCK_TIMEOUT = "2min";

/** How users are gone through. */
export interface Walk<U extends { id: string }> {
  /** The next of them, at most `limit`. Null: from the first on. */
  next(after: U | null, limit: number): Promise<readonly U[]>;
  /** The function of the schema that completes users whose rows are locked, given their ids. */
  complete: "complete_users" | "complete_history" | "complete_names";
  /** What it writes to. */
  tables: readonly string[];
  /** Told after each batch how many are done, and of how many. */
  onBatch: (done: number, users: number) => void;
}

/** Completes all users, batch by batch, and returns how many there were. */
export async function completeUsers<U extends { id: string }>(
  sql: postgresType.Sql,
  patience: Patience,
  { next, complete, tables, onBatch }: Walk<U>,
): Promise<number> {
  const [users] = await sql<{ n: number }[]>`
    select greatest(0, max(n))::int as n from mirror_data.counters where name = 'users'`;
  let count = 0;
  for (let after: U | null = null; ; ) {
    const batch: readonly U[] = await next(after, BATCH);
    const last = batch.at(-1);
    if (last === undefined) return count;
    const ids = textArray(batch.map(({ id }) => id));
    await betweenLocks(sql, patience, () => completeBatch(sql, complete, ids));
    after = last;
    count += batch.length;
    onBatch(count, Math.max(users?.n ?? 0, count));
    if (count % VACUUM_AFTER === 0) await unhurried(sql, patience, () => vacuum(sql, tables));
  }
}

/** Locks in the order in which everybody does. */
const completeBatch = (sql: postgresType.Sql, complete: string, ids: string) =>
  sql.begin(async (tx) => {
    await tx`
      select from mirror_data.users where id = any(${ids}::text::text[]) order by id for no key update`;
    await tx`select mirror_data.${tx(complete)}(${ids}::text::text[])`;
  });

/** Without workers: they share memory, and a container may have next to none of it (/dev/shm). */
export const vacuum = (sql: postgresType.Sql, tables: readonly string[], analyze = "") =>
  sql.unsafe(`vacuum (${analyze}parallel 0) ${tables.map((table) => `mirror_data.${table}`).join(", ")}`);

/** Does work that may wait for others for longer than a migration may. */
export async function unhurried(
  sql: postgresType.Sql,
  patience: Patience,
  work: () => Promise<unknown>,
): Promise<void> {
  const [before] = await sql<{ timeout: string }[]>`
    select current_setting('lock_timeout') as timeout, set_config('lock_timeout', ${UNHURRIED_LOCK_TIMEOUT}, false)`;
  await betweenLocks(sql, patience, work);
  await sql`select set_config('lock_timeout', ${before?.timeout ?? "0"}, false)`;
}

/** Passes on what it is told, but seldom, and nothing of what is over soon. */
export function everySoOften(tell: (text: string) => void): (text: string) => void {
  let toldAtMs = performance.now();
  return (text) => {
    if (performance.now() - toldAtMs < TELL_MS) return;
    toldAtMs = performance.now();
    tell(text);
  };
}
