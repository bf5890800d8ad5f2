/**
 * Replaces by U+FFFD what Postgres can't store in text (U+0000, lone surrogates). Users can write both into their metadata.
 * The stored payload keeps them escaped; columns derived from it, and values compared with those columns, go through here.
 */
export function sqlText(value: string): string {
  return value.isWellFormed() && !value.includes("\0")
    ? value
    : value.toWellFormed().replaceAll("\0", "\uFFFD");
}

/**
 * The mirror's only case folding. Its result is stored, so that the database's locale doesn't matter. The two
 * replacements make the Turkish dotted capital and the Greek final sigma equal to their plain forms.
 */
function foldCase(value: string): string {
  const lower = value.normalize("NFC").toLowerCase();
  return lower.includes("i\u0307") || lower.includes("ς")
    ? lower.replaceAll("i\u0307", "i").replaceAll("ς", "σ")
    : lower;
}

/** In these texts there is nothing to normalize, which is a quarter of the time for deriving a user's rows. */
const PLAIN = /^[ -~]*$/;

/** The whole text folded, for what is looked for in it or is looked for in others. */
export const foldedText = (value: string): string =>
  PLAIN.test(value) ? value.toLowerCase() : foldCase(sqlText(value));

/** A field that is searched, or a search term: folded, and without `\n`, which separates fields in the stored text. */
export function searchText(value: string): string {
  const folded = foldedText(value);
  return folded.includes("\n") ? folded.replaceAll("\n", "\u2028") : folded;
}

/** An index entry holds about 2,700 bytes, and a character takes up to 4. Longer than any value that Clerk allows. */
const KEY_MAX_CHARS = 600;

/** A value as it is stored in an indexed column: unchanged, but cut when it is too long for an index. */
export function exactKey(value: string): string {
  return cut(sqlText(value));
}

/** The same, folded, for sorting and for equality that ignores case. */
export function foldedKey(value: string): string {
  return cut(foldedText(value));
}

/** A linked account as it is stored and filtered by. Clerk spells a provider with and without `oauth_`. */
export const accountKey = (provider: string, userId: string) => `${plainProvider(provider)}\n${userId}`;

export const plainProvider = (provider: string) => provider.replace(/^oauth_/, "");

/** What follows the last `@` of a folded address; null: nothing does. */
export function domainOf(folded: string): string | null {
  const at = folded.lastIndexOf("@");
  return at === -1 || at === folded.length - 1 ? null : folded.slice(at + 1);
}

function cut(value: string): string {
  return value.length <= KEY_MAX_CHARS ? value : value.slice(0, KEY_MAX_CHARS).toWellFormed();
}
