import { rareGrams } from "../lib/grams.js";
import { searchText } from "../lib/text.js";

/** How rows that hold a term are found in `user_search.search`. */
export type SearchTerm =
  /** By the trigram index. */
  | (Text & { kind: "trigrams" })
  /** By the index of rare pieces: every row with the term has these; then by looking at those rows. */
  | (Text & { kind: "rare"; grams: string[] })
  /** By looking at every row: one or two of a-z0-9 are in a good part of all rows, because of ids alone. */
  | (Text & { kind: "common" });

interface Text {
  text: string;
  /** For LIKE, with its special characters escaped. */
  pattern: string;
}

/**
 * A term without a trigram must never reach the trigram index: Postgres would read that from end to end.
 * `lettersBeyondAscii`: whether the database's LC_CTYPE knows any; otherwise its trigrams contain none.
 */
export function searchTerm(value: string, lettersBeyondAscii: boolean): SearchTerm {
  const text = searchText(value);
  const word = lettersBeyondAscii ? /[\p{L}\p{N}]{3}/u : /[a-z0-9]{3}/;
  const pattern = `%${escapedForLike(text)}%`;
  if (word.test(text)) return { kind: "trigrams", text, pattern };
  const grams = rareGrams(text);
  return grams.length > 0 ? { kind: "rare", text, pattern, grams } : { kind: "common", text, pattern };
}

/** As a part of a pattern that means nothing but this text. */
export const escapedForLike = (text: string) => text.replace(/[\\%_]/g, "\\$&");
