import type { Sql } from "../../../src/db/connection/sql.js";
import { fold } from "./model.js";

/** What pg_trgm says of each of these terms and each of these texts, folded. */
export async function similarities(sql: Sql, terms: readonly string[], texts: readonly string[]) {
  const sought = terms.map(stored);
  const rows = await sql<{ term: string; text: string; similarity: number }[]>`
    select term, text, word_similarity(term, text) as similarity
    from jsonb_array_elements_text(${JSON.stringify(sought)}::text::jsonb) as term
      cross join (select distinct text from jsonb_array_elements_text(${JSON.stringify(texts)}::text::jsonb) as text) as texts`;
  const known = new Map(rows.map(({ term, text, similarity }) => [`${term}\t${text}`, similarity]));
  return (term: string, text: string): number => {
    const similarity = known.get(`${term}\t${text}`);
    if (similarity === undefined) throw new Error(`never asked: ${term} and ${text}`);
    return similarity;
  };
}

/** As Postgres is sent it. */
const stored = (term: string) => fold(term.replaceAll("\u0000", "\ufffd"));
