import type { Pause } from "./turns.js";

/**
 * The distinct pieces of one or two characters in a search text that have a character outside a-z0-9. Through them terms are
 * found that are too short or too unusual for the trigram index. No piece crosses the `\n` between two fields. Pieces of
 * a-z0-9 alone would be useless: because of the ids, each of them occurs in a large part of all rows.
 */
export function rareGrams(search: string): string[] {
  const grams = new Set<string>();
  for (const field of search.split("\n")) addGrams(grams, field);
  return [...grams];
}

/**
 * Whether two search texts have the same pieces in the same order, field by field. It may say false of texts that have: those
 * with another number of fields, and those of which a field that differs is long.
 */
export function haveSameGrams(one: string, other: string): boolean {
  const [fields, others] = [one.split("\n"), other.split("\n")];
  if (fields.length !== others.length) return false;
  return fields.every((field, index) => {
    const twin = others[index] ?? "";
    if (field === twin) return true;
    return field.length + twin.length <= PART_CHARACTERS && isSameList(rareGrams(field), rareGrams(twin));
  });
}

const isSameList = (one: readonly string[], other: readonly string[]) =>
  one.length === other.length && one.every((value, index) => value === other[index]);

const PART_CHARACTERS = 4000;

/** The same, with a pause after each part of the text: a text of megabytes has hundreds of thousands of pieces. */
export async function rareGramsInParts(search: string, pause: Pause): Promise<string[]> {
  if (search.length <= PART_CHARACTERS) return rareGrams(search);
  const grams = new Set<string>();
  for (const field of search.split("\n")) {
    for (let at = 0; at < field.length; ) {
      const end = boundary(field, at + PART_CHARACTERS);
      addGrams(grams, field.slice(at, end));
      await pause();
      // The next part begins with the last character of this one, which is the first of a pair.
      at = end < field.length ? boundary(field, end - 1) : end;
    }
  }
  return [...grams];
}

/** `at`, or the place before it when `at` would cut a surrogate pair. */
function boundary(text: string, at: number): number {
  const unit = text.charCodeAt(at);
  return unit >= 0xdc00 && unit <= 0xdfff ? at - 1 : at;
}

function addGrams(grams: Set<string>, field: string): void {
  let previous = "";
  let wasRare = false;
  for (let at = 0; at < field.length; ) {
    const unit = field.charCodeAt(at);
    const rare = isRare(unit);
    // Most characters have none beside them, and need no text of their own.
    if (!rare && !wasRare) {
      at++;
      continue;
    }
    const character = isHighSurrogate(unit)
      ? String.fromCodePoint(field.codePointAt(at) as number)
      : field.charAt(at);
    if (rare) grams.add(character);
    if (at > 0) grams.add((wasRare ? previous : field.charAt(at - 1)) + character);
    previous = character;
    wasRare = rare;
    at += character.length;
  }
}

const isHighSurrogate = (unit: number) => unit >= 0xd800 && unit <= 0xdbff;

/** Whether a character that begins with this unit is none of a-z0-9. */
const isRare = (unit: number) => !((unit >= 0x61 && unit <= 0x7a) || (unit >= 0x30 && unit <= 0x39));
