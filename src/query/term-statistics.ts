import { userCount } from "../changes/counters.js";
import type { Availability } from "../db/connection/availability.js";
import type { Sql } from "../db/connection/sql.js";
import { hasLettersBeyondAscii } from "../db/setup/search-index.js";

/** What this database can tell of terms before it searches for one. */
export interface TermStatistics {
  /** Whether its trigrams hold letters other than a-z. */
  lettersBeyondAscii: boolean;
  /** About how many users there are. */
  users: number;
  /** The share of users, at most, whose text holds all of these pieces, by the last ANALYZE; 0: they are rare. */
  shareOf(grams: readonly string[]): number;
}

const FRESH_MS = 60_000;

/**
 * Asked at most once a minute: shares move slowly, and a wrong one costs time and no truth. `guard` stands around it, for
 * all who come within the minute wait for the one who asked.
 */
export function createTermStatistics(
  sql: Sql,
  guard: Availability["guard"],
  nowMs = () => performance.now(),
): () => Promise<TermStatistics> {
  let known: { statistics: Promise<TermStatistics>; atMs: number } | null = null;
  return () => {
    if (known && nowMs() - known.atMs < FRESH_MS) return known.statistics;
    const asked = { statistics: guard(() => read(sql)), atMs: nowMs() };
    known = asked;
    asked.statistics.catch(() => {
      if (known === asked) known = null;
    });
    return asked.statistics;
  };
}

async function read(sql: Sql): Promise<TermStatistics> {
  const [lettersBeyondAscii, users, common] = await Promise.all([
    hasLettersBeyondAscii(sql),
    userCount(sql),
    sql<{ gram: string; share: number }[]>`
      select gram, share
      from pg_stats s, unnest(s.most_common_elems::text::text[], s.most_common_elem_freqs) as common(gram, share)
      where s.schemaname = 'mirror_data' and s.tablename = 'user_grams' and s.attname = 'rare_grams'
        -- Behind the shares stand their bounds, which are of no piece.
        and gram is not null`,
  ]);
  const shares = new Map(common.map(({ gram, share }) => [gram, share]));
  return {
    lettersBeyondAscii,
    users,
    shareOf: (grams) => Math.min(...grams.map((gram) => shares.get(gram) ?? 0)),
  };
}
