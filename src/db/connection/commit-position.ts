import { shareNextRun } from "../../lib/async.js";
import { AppError } from "../../lib/errors.js";
import type { Availability } from "./availability.js";
import type { Sql } from "./sql.js";

/**
 * Positions in the order of commits, for callers who must not read an older state than one that they have seen. Callers
 * know them as versions: `X-Mirror-Version` says one, and `X-Mirror-Min-Version` asks for at least one.
 */
export interface CommitPositions {
  /** A position behind everything that was committed before the call. Rejects while Postgres is away, or is a standby. */
  current(): Promise<string>;
  /**
   * Whether everything that is read here from now on is at least as new. Never on a standby, nor for a position of another
   * cluster, of another history of this cluster, or of an earlier form. Throws `bad_request` for what `current` never made.
   */
  isReached(position: string): Promise<boolean>;
}

/**
 * The cluster, its timeline, which rises when a standby is promoted, and the position in its log:
 * `66F0A3B19C2D4E5F-1-0/3A1F2C8`. The earlier form had no cluster.
 */
const POSITION = /^(?:(D?[0-9A-F]{1,16})-)?([0-9A-F]{1,8})-([0-9A-F]{1,8})\/([0-9A-F]{1,8})$/;

const MISSING_RIGHT = "42501";
/** The number that initdb gave the cluster. Every role may read it, unless the host has revoked that right. */
const CLUSTER = "(select upper(to_hex(system_identifier)) from pg_catalog.pg_control_system())";
/** Used instead where that right is missing: the number of the database, which is the next best way to tell two servers apart. */
const DATABASE =
  "(select 'D' || upper(to_hex(oid::bigint)) from pg_catalog.pg_database where datname = current_database())";

export function createCommitPositions(sql: Sql, availability: Pick<Availability, "guard">): CommitPositions {
  let identity = CLUSTER;
  /** Null on a standby, which has no position of its own to give. */
  const now = shareNextRun(() => availability.guard(read));

  async function read(): Promise<string | null> {
    // The position of the last insert, not of the last write: with synchronous_commit off the two differ. The timeline is
    // read from the name of the log file, which every role may ask for.
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
    const position = await now();
    if (position === null) throw new AppError("database_unavailable", "The database is a standby.");
    return position;
  }

  async function isReached(position: string): Promise<boolean> {
    const wanted = parse(position);
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

function parse(text: string): { history: string; position: bigint } | null {
  const [, cluster = "", timeline, high, low] = POSITION.exec(text) ?? [];
  if (high === undefined || low === undefined) return null;
  const position = BigInt(`0x${high.padStart(8, "0")}${low.padStart(8, "0")}`);
  return { history: `${cluster}-${timeline}`, position };
}
