import { userCount } from "../changes/counters.js";
import type { Availability } from "../db/connection/availability.js";
import type { Sql } from "../db/connection/sql.js";
import { hasLettersBeyondAscii, trigramSchema } from "../db/setup/search-index.js";
import { foldedText } from "../lib/text.js";

/** What is known of search terms before one is searched for. */
export interface TermStatistics {
  /** Whether the database's trigrams contain letters other than a-z. */
  lettersBeyondAscii: boolean;
  /** Where the extension pg_trgm is, quoted. */
  trigramSchema: string;
  /** About how many users there are. */
  users: number;
  /** About how many different names there are, folded; infinite where that isn't known. */
  distinctNames: Readonly<Record<"first_name" | "last_name", number>>;
  /** Upper bound for the share of users whose text has all of these pieces, by the last ANALYZE; 0: they are rare. */
  shareOf(grams: readonly string[]): number;
  /** About the share of users whose id has this in it, by the last ANALYZE; 1 where there was none. */
  shareOfIds(text: string): number;
}

const FRESH_MS = 60_000;

/**
 * Read at most once a minute: shares change slowly, and a wrong share makes a search slower but not wrong. Guarded, because
 * all searches within that minute wait for the same read.
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
  const [lettersBeyondAscii, schema, users, names, common, ids] = await Promise.all([
    hasLettersBeyondAscii(sql),
    trigramSchema(sql),
    userCount(sql),
    sql<{ column: string; distinct: number }[]>`
      select attname as column, n_distinct as distinct from pg_stats
      where schemaname = 'mirror_data' and tablename = 'user_search' and attname in ('first_name_key', 'last_name_key')`,
    sql<{ gram: string; share: number }[]>`
      select gram, share
      from pg_stats s, unnest(s.most_common_elems::text::text[], s.most_common_elem_freqs) as common(gram, share)
      where s.schemaname = 'mirror_data' and s.tablename = 'user_grams' and s.attname = 'rare_grams'
        -- Behind the shares stand their bounds, which are of no piece.
        and gram is not null`,
    sql<{ id: string }[]>`
      select unnest(histogram_bounds::text::text[]) as id from pg_stats
      where schemaname = 'mirror_data' and tablename = 'user_search' and attname = 'id'`,
  ]);
  const distinctOf = (name: string) => {
    const distinct = names.find(({ column }) => column === name)?.distinct ?? Number.POSITIVE_INFINITY;
    // Below zero: a share of all rows.
    return distinct < 0 ? -distinct * users : distinct;
  };
  // A hundred ids, with as many users between one and the next.
  const sample = ids.map(({ id }) => foldedText(id));
  const shares = new Map(common.map(({ gram, share }) => [gram, share]));
  return {
    lettersBeyondAscii,
    trigramSchema: schema,
    users,
    distinctNames: { first_name: distinctOf("first_name_key"), last_name: distinctOf("last_name_key") },
    shareOf: (grams) => Math.min(...grams.map((gram) => shares.get(gram) ?? 0)),
    shareOfIds: (text) =>
      sample.length === 0 ? 1 : sample.filter((id) => id.includes(text)).length / sample.length,
  };
}
