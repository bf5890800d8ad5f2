/**
 * The distinct pieces of one and two characters of a search text that hold a character outside a-z0-9, none across the
 * `\n` between fields: what finds terms too short, or too strange, for the trigram index. Pieces of a-z0-9 alone are
 * left out: ids alone put each of them into a good part of all rows.
 */
export function rareGrams(search: string): string[] {
  const grams = new Set<string>();
  for (const field of search.split("\n")) {
    let previous: string | null = null;
    for (const character of field) {
      if (isRare(character)) grams.add(character);
      if (previous !== null && (isRare(previous) || isRare(character))) grams.add(previous + character);
      previous = character;
    }
  }
  return [...grams];
}

function isRare(character: string): boolean {
  const isLetter = character >= "a" && character <= "z";
  const isDigit = character >= "0" && character <= "9";
  return !(character.length === 1 && (isLetter || isDigit));
}
