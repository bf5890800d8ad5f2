import type { Pause } from "./turns.js";

/**
 * The distinct pieces of one and two characters of a search text that hold a character outside a-z0-9, none across the
 * `\n` between fields: what finds terms too short, or too strange, for the trigram index. Pieces of a-z0-9 alone are
 * left out: ids alone put each of them into a good part of all rows.
 */
export function rareGrams(search: string): string[] {
  const grams = new Set<string>();
  for (const field of search.split("\n")) addGrams(grams, field);
  return [...grams];
}

const PART_CHARACTERS = 4000;

/** The same with a pause after each part: of a text of megabytes there can be hundreds of thousands. */
export async function rareGramsInParts(search: string, pause: Pause): Promise<string[]> {
  if (search.length <= PART_CHARACTERS) return rareGrams(search);
  const grams = new Set<string>();
  for (const field of search.split("\n")) {
    for (let at = 0; at < field.length; ) {
      const end = boundary(field, at + PART_CHARACTERS);
      addGrams(grams, field.slice(at, end));
      await pause();
      // The last character once more: it is the first of a pair.
      at = end < field.length ? boundary(field, end - 1) : end;
    }
  }
  return [...grams];
}

/** The place itself, or the one before where it stands inside a character of two units. */
function boundary(text: string, at: number): number {
  const unit = text.charCodeAt(at);
  return unit >= 0xdc00 && unit <= 0xdfff ? at - 1 : at;
}

function addGrams(grams: Set<string>, field: string): void {
  let previous: string | null = null;
  for (const character of field) {
    if (isRare(character)) grams.add(character);
    if (previous !== null && (isRare(previous) || isRare(character))) grams.add(previous + character);
    previous = character;
  }
}

function isRare(character: string): boolean {
  const isLetter = character >= "a" && character <= "z";
  const isDigit = character >= "0" && character <= "9";
  return !(character.length === 1 && (isLetter || isDigit));
}
