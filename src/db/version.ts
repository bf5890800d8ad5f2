import { shareNextRun } from "../lib/async.js";
import { AppError } from "../lib/errors.js";
import type { Availability } from "./availability.js";
import type { Sql } from "./client.js";

/** States of the database, for those who must not read an older one than they have seen. */
export interface Versions {
  /** Names a state that holds everything committed before the call. Rejects while Postgres is away. */
  current(): Promise<string>;
  /** Whether what is read here from now on is no older. Throws `bad_request` for what `current` never made. */
  isReached(version: string): Promise<boolean>;
}

/** The timeline, which a promoted standby raises, and the position in its log: `1-0/3A1F2C8`. */
const VERSION = /^([0-9A-F]{1,8})-([0-9A-F]{1,8}\/[0-9A-F]{1,8})$/;

export function createVersions(sql: Sql, availability: Pick<Availability, "guard">): Versions {
  const current = shareNextRun(() => availability.guard(read));

  async function read(): Promise<string> {
    // What was inserted, not what was written: with synchronous_commit off the two differ. The name of a log file
    // begins with the timeline, and anyone may ask for it.
    const [row] = await sql<{ version: string }[]>`
      select ltrim(left(pg_walfile_name(lsn), 8), '0') || '-' || lsn as version
      from pg_current_wal_insert_lsn() as lsn`;
    return row?.version ?? "";
  }

  async function isReached(version: string): Promise<boolean> {
    const [, timeline, position] = VERSION.exec(version) ?? [];
    if (timeline === undefined || position === undefined) {
      throw new AppError("bad_request", "X-Mirror-Min-Version is no version of this mirror.", {
        longMessage: "X-Mirror-Min-Version must be what an answer's X-Mirror-Version said.",
        meta: { header_name: "X-Mirror-Min-Version" },
      });
    }
    const now = await current();
    const [, ownTimeline] = VERSION.exec(now) ?? [];
    if (ownTimeline !== timeline) return false;
    const [row] = await availability.guard(
      () => sql<{ reached: boolean }[]>`
        select pg_current_wal_insert_lsn() >= ${position}::text::pg_lsn as reached`,
    );
    return row?.reached ?? false;
  }

  return { current, isReached };
}
