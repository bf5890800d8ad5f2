/**
 * What Postgres text can't hold (U+0000, lone surrogates) becomes U+FFFD. Users can write both into their metadata;
 * the stored payload keeps them escaped, columns derived from it and values compared with those go through here.
 */
export function sqlText(value: string): string {
  return value.isWellFormed() && !value.includes("\0")
    ? value
    : value.toWellFormed().replaceAll("\0", "\uFFFD");
}

/**
 * The mirror's one case folding, done here and stored so that the database's locale doesn't matter. The two
 * replacements make the Turkish dotted capital and the Greek final sigma equal to their plain forms.
 */
function foldCase(value: string): string {
  const lower = value.normalize("NFC").toLowerCase();
  return lower.includes("i\u0307") || lower.includes("ς")
    ? lower.replaceAll("i\u0307", "i").replaceAll("ς", "σ")
    : lower;
}

/** A searched field, or a search term: folded, and without the `\n` that separates fields in the stored text. */
export function searchText(value: string): string {
  const folded = foldCase(sqlText(value));
  return folded.includes("\n") ? folded.replaceAll("\n", "\u2028") : folded;
}

/** An index entry holds about 2,700 bytes: 600 characters at most 4 bytes each. Longer than anything Clerk allows. */
const KEY_MAX_CHARS = 600;

/** A value as it stands in an indexed column: exact, but cut where an index could not hold it. */
export function exactKey(value: string): string {
  return cut(sqlText(value));
}

/** The same, folded: what sorting and case-insensitive equality use. */
export function foldedKey(value: string): string {
  return cut(foldCase(sqlText(value)));
}

function cut(value: string): string {
  return value.length <= KEY_MAX_CHARS ? value : value.slice(0, KEY_MAX_CHARS).toWellFormed();
}
