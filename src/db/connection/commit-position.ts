import { shareNextRun } from "../../lib/async.js";
import { AppError } from "../../lib/errors.js";
import type { Availability } from "./availability.js";
import type { Sql } from "./sql.js";

/** States of the database, for those who must not read an older one than they have seen. */
export interface Versions {
  /** Names a state that holds everything committed before the call. Rejects while Postgres is away, or a standby. */
  current(): Promise<string>;
  /**
   * Whether what is read here from now on is no older: never on a standby, nor for a version of another cluster, another
   * history of this one, or an earlier form of versions. Throws `bad_request` for what `current` never made.
   */
  isReached(version: string): Promise<boolean>;
}

/**
 * The cluster, its timeline, which a promoted standby raises, and the position in its log: `66F0A3B19C2D4E5F-1-0/3A1F2C8`.
 * Versions had no cluster once.
 */
const VERSION = /^(?:(D?[0-9A-F]{1,16})-)?([0-9A-F]{1,8})-([0-9A-F]{1,8})\/([0-9A-F]{1,8})$/;

const MISSING_RIGHT = "42501";
/** The cluster's own number, which initdb makes. Anybody may ask for it, unless a host took that right away. */
const CLUSTER = "(select upper(to_hex(system_identifier)) from pg_catalog.pg_control_system())";
/** In its place the database's, which is the next best thing to tell two of them apart. */
const DATABASE =
  "(select 'D' || upper(to_hex(oid::bigint)) from pg_catalog.pg_database where datname = current_database())";

export function createVersions(sql: Sql, availability: Pick<Availability, "guard">): Versions {
  let identity = CLUSTER;
  /** Null on a standby, which names no position that it could be asked for. */
  const now = shareNextRun(() => availability.guard(read));

  async function read(): Promise<string | null> {
    // What was inserted, not what was written: with synchronous_commit off the two differ. The name of a log file
    // begins with the timeline, and anyone may ask for it.
    const query = sql.unsafe<{ version: string | null }[]>(
      `select case when not pg_is_in_recovery() then
        (select ${identity} || '-' || ltrim(left(pg_walfile_name(lsn), 8), '0') || '-' || lsn
          from pg_current_wal_insert_lsn() as lsn) end as version`,
      [],
      { prepare: true },
    );
    const [row] = await query.catch((error) => {
      if (identity === DATABASE || error.code !== MISSING_RIGHT) throw error;
      identity = DATABASE;
      return [];
    });
    return row ? row.version : read();
  }

  async function current(): Promise<string> {
    const version = await now();
    if (version === null) throw new AppError("database_unavailable", "The database is a standby.");
    return version;
  }

  async function isReached(version: string): Promise<boolean> {
    const wanted = parse(version);
    if (!wanted) {
      throw new AppError("bad_request", "X-Mirror-Min-Version is no version of this mirror.", {
        longMessage: "X-Mirror-Min-Version must be what an answer's X-Mirror-Version said.",
        meta: { header_name: "X-Mirror-Min-Version" },
      });
    }
    const own = parse((await now()) ?? "");
    return own !== null && own.history === wanted.history && own.position >= wanted.position;
  }

  return { current, isReached };
}

function parse(version: string): { history: string; position: bigint } | null {
  const [, cluster = "", timeline, high, low] = VERSION.exec(version) ?? [];
  if (high === undefined || low === undefined) return null;
  const position = BigInt(`0x${high.padStart(8, "0")}${low.padStart(8, "0")}`);
  return { history: `${cluster}-${timeline}`, position };
}
