import { userCount } from "../changes/counters.js";
import type { Availability } from "../db/connection/availability.js";
import { textArray } from "../db/connection/bulk.js";
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
  /** About the share of users who have this text in what is searched, by the last ANALYZE; 1 where there was none. */
  shareIn(searched: Searched, text: string): number;
}

/** All that is searched, or a part of it. */
export type Searched = "all" | "names" | "identifiers" | "ids";

/** Columns of `user_search`. */
const COLUMNS_OF: Record<Searched, string> = {
  all: "search",
  names: "name_search",
  identifiers: "identifier_search",
  ids: "id",
};

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
  const [lettersBeyondAscii, schema, users, names, common, sampled] = await Promise.all([
    hasLettersBeyondAscii(sql),
    trigramSchema(sql),
    userCount(sql),
    sql<{ column: string; distinct: number }[]>`
      select attname as column, n_distinct as distinct from pg_stats
      where schemaname = 'mirror_data' and tablename = 'user_names' and attname in ('first_name_key', 'last_name_key')`,
    sql<{ gram: string; share: number }[]>`
      select gram, share
      from pg_stats s, unnest(s.most_common_elems::text::text[], s.most_common_elem_freqs) as common(gram, share)
      where s.schemaname = 'mirror_data' and s.tablename = 'user_grams' and s.attname = 'rare_grams'
        -- Behind the shares stand their bounds, which are of no piece.
        and gram is not null`,
    sql<Sampled[]>`
      select attname as column, value, share
      from pg_stats s, lateral (
        select unnest(s.most_common_vals::text::text[]) as value, unnest(s.most_common_freqs) as share
        union all select unnest(s.histogram_bounds::text::text[]), null) as sampled
      where schemaname = 'mirror_data' and tablename = 'user_search'
        and attname = any(${textArray(Object.values(COLUMNS_OF))}::text::text[])`,
  ]);
  const distinctOf = (name: string) => {
    const distinct = names.find(({ column }) => column === name)?.distinct ?? Number.POSITIVE_INFINITY;
    // Below zero: a share of all rows.
    return distinct < 0 ? -distinct * users : distinct;
  };
  const sampleOf = (searched: Searched) =>
    sampled
      .filter(({ column }) => column === COLUMNS_OF[searched])
      // Ids alone aren't folded.
      .map((one) => ({ ...one, value: foldedText(one.value) }));
  const samples = {
    all: sampleOf("all"),
    names: sampleOf("names"),
    identifiers: sampleOf("identifiers"),
    ids: sampleOf("ids"),
  };
  const shares = new Map(common.map(({ gram, share }) => [gram, share]));
  return {
    lettersBeyondAscii,
    trigramSchema: schema,
    users,
    distinctNames: { first_name: distinctOf("first_name_key"), last_name: distinctOf("last_name_key") },
    shareOf: (grams) => Math.min(...grams.map((gram) => shares.get(gram) ?? 0)),
    shareIn: (searched, text) => shareOfText(samples[searched], text),
  };
}

/** A value of a column that ANALYZE has kept, and the share of users who have it. Null: it is one of a thousand of the others. */
interface Sampled {
  column: string;
  value: string;
  share: number | null;
}

/** There are as many users between one of the others and the next. */
function shareOfText(sample: readonly Sampled[], text: string): number {
  if (sample.length === 0) return 1;
  let [known, found, others, foundOthers] = [0, 0, 0, 0];
  for (const { value, share } of sample) {
    const has = value.includes(text);
    known += share ?? 0;
    if (has) found += share ?? 0;
    if (share === null) others++;
    if (share === null && has) foundOthers++;
  }
  return others === 0 ? found : found + ((1 - known) * foundOthers) / others;
}
