import type postgresType from "postgres";
import { betweenLocks, type Patience } from "./migration-locks.js";

// What the fillings of large tables between two migrations share.

export interface Filling {
  patience: Patience;
  /** Told now and then how far it is. */
  onProgress: (progress: string) => void;
}

/** A batch is a transaction: whoever writes one of its users waits for a fraction of a second. */
export const BATCH = 250;
/** The room that updates leave behind is used again only after a vacuum: the tables would grow by half otherwise. */
export const VACUUM_AFTER = 100_000;
const TELL_MS = 5000;
/** A vacuum waits for another one, and an index for whatever transaction is older. Nobody waits behind them. */
const UNHURRIED_LOCK_TIMEOUT = "2min";

/** Without workers: they share memory, and a container may have next to none of it (/dev/shm). */
export const vacuum = (sql: postgresType.Sql, tables: readonly string[], analyze = "") =>
  sql.unsafe(`vacuum (${analyze}parallel 0) ${tables.map((table) => `mirror_data.${table}`).join(", ")}`);

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

export function everySoOften(tell: (text: string) => void): (text: string) => void {
  let toldAtMs = performance.now();
  return (text) => {
    if (performance.now() - toldAtMs < TELL_MS) return;
    toldAtMs = performance.now();
    tell(text);
  };
}
