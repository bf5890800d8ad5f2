import type postgresType from "postgres";
import { sleep } from "../../lib/async.js";
import { AppError } from "../../lib/errors.js";
import { isLockTimeout } from "../connection/trouble.js";

/** All processes of all versions must use this number. Nothing else in the database is locked by it. */
const MIGRATION_LOCK = 7_310_214_401;

export interface Patience {
  /** How long to wait for other processes, and for what they hold, in all. */
  ms: number;
  retryMs: number;
  /** Told now and then what is being waited for. */
  onWait: (reason: string) => void;
}

const TELL_MS = 5000;

/**
 * Holds the turn to migrate until the connection ends. Throws `database_unavailable`, naming the process that has
 * held it for too long.
 */
export async function takeTurn(sql: postgresType.Sql, patience: Patience): Promise<void> {
  await persist(patience, async () => {
    const [turn] = await sql<
      { mine: boolean }[]
    >`select pg_try_advisory_lock(${MIGRATION_LOCK}::bigint) as mine`;
    if (turn?.mine) return null;
    const holders = await describeHolders(
      sql`
      select pid from pg_locks
      where locktype = 'advisory' and granted and database = (select oid from pg_database where datname = current_database())
        and (classid::bigint << 32) + objid::bigint = ${MIGRATION_LOCK}::bigint and objsubid = 1`,
      sql,
    );
    return `Another process migrates this database: ${holders}.`;
  });
}

/**
 * Does work that fails if it can't get a lock soon, again and again: whoever arrives behind a waiting `alter table`
 * would wait with it. Throws `database_unavailable`, naming the process that has held the lock for too long.
 */
export async function betweenLocks(
  sql: postgresType.Sql,
  patience: Patience,
  work: () => Promise<unknown>,
): Promise<void> {
  await persist(patience, async () => {
    try {
      await work();
      return null;
    } catch (error) {
      if (!hasLockTimeout(error)) throw error;
      const holders = await describeHolders(
        sql`
        select l.pid from pg_locks l join pg_class c on c.oid = l.relation join pg_namespace n on n.oid = c.relnamespace
        where l.granted and l.pid <> pg_backend_pid() and n.nspname in ('mirror', 'mirror_data')
          and l.database = (select oid from pg_database where datname = current_database())`,
        sql,
      );
      return `Tables of the mirror are needed alone, and others use them: ${holders}.`;
    }
  });
}

/** `attempt` returns what it waits for, or null when it is done. */
async function persist(patience: Patience, attempt: () => Promise<string | null>): Promise<void> {
  const begunAtMs = performance.now();
  let tellAtMs = 0;
  for (;;) {
    const reason = await attempt();
    if (reason === null) return;
    const waitedMs = performance.now() - begunAtMs;
    if (waitedMs > patience.ms) {
      throw new AppError(
        "database_unavailable",
        `${reason} Waited for ${Math.round(waitedMs / 1000)} seconds.`,
      );
    }
    if (waitedMs >= tellAtMs) {
      patience.onWait(reason);
      tellAtMs = waitedMs + TELL_MS;
    }
    await sleep(patience.retryMs);
  }
}

/** The three sessions that have held it for longest, described as an administrator looks for them. */
async function describeHolders(
  pids: postgresType.PendingQuery<postgresType.Row[]>,
  sql: postgresType.Sql,
): Promise<string> {
  const holders = await sql<{ pid: number; name: string; state: string; seconds: number }[]>`
    select pid, coalesce(application_name, '') as name, coalesce(state, '?') as state,
      coalesce(extract(epoch from clock_timestamp() - xact_start), 0)::int as seconds
    from pg_stat_activity where pid in (${pids}) order by xact_start nulls last limit 3`;
  if (holders.length === 0) return "nobody any more";
  return holders
    .map(
      ({ pid, name, state, seconds }) => `process ${pid} (${name || "unnamed"}, ${state}, for ${seconds} s)`,
    )
    .join(", ");
}

/** Drizzle wraps what Postgres says. */
const hasLockTimeout = (error: unknown): boolean =>
  isLockTimeout(error) || (error instanceof Error && hasLockTimeout(error.cause));
