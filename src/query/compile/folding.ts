import type { Parameters } from "../parameters.js";
import { escapedForLike } from "../search-term.js";

/** The capitals of each small letter. Made when it is first asked for, which takes 20 ms. */
let capitals: ReadonlyMap<string, string> | null = null;

/** No script with capitals is beyond. */
const LAST_CAPITAL = 0x1ffff;

function capitalsOf(small: string): string {
  capitals ??= collectCapitals();
  return capitals.get(small) ?? "";
}

function collectCapitals(): Map<string, string> {
  const found = new Map<string, string>();
  for (let code = 0; code <= LAST_CAPITAL; code++) {
    const letter = String.fromCodePoint(code);
    const small = code === FINAL_SIGMA ? "σ" : letter.toLowerCase();
    if (small !== letter && !small.startsWith("i\u0307")) found.set(small, (found.get(small) ?? "") + letter);
  }
  return found;
}

const FINAL_SIGMA = 0x3c2;

/**
 * A text that isn't stored folded, folded as `lib/text.ts` does as far as comparing it with `folded` takes: letters that
 * aren't in there may stay capitals. The database's locale has no say in it.
 */
export function foldedFor(folded: string, sql: string, params: Parameters): string {
  const pairs = [...new Set(folded)].flatMap((small) =>
    [...capitalsOf(small)].map((capital): [string, string] => [capital, small]),
  );
  const capitalLetters = params.add(pairs.map(([capital]) => capital).join(""));
  const smallLetters = params.add(pairs.map(([, small]) => small).join(""));
  const dotted = `replace(normalize(${sql}, NFC), U&'\\0130', U&'i\\0307')`;
  const small = `translate(${dotted}, ${capitalLetters}::text, ${smallLetters}::text)`;
  return `case when octet_length(${sql}) = char_length(${sql}) then lower(${sql} collate "C")
    else replace(${small}, U&'i\\0307', 'i') end`;
}

/** Whether a folded text has another in it in this way. The value of the column is one text. */
export function hasText(
  sql: string,
  how: "contains" | "prefix" | "suffix",
  text: string,
  params: Parameters,
): string {
  switch (how) {
    case "contains":
      return `position(${params.add(text)} in ${sql}) > 0`;
    case "prefix":
      // LIKE with a known beginning is looked up in an index in the order of bytes.
      return `${sql} like ${params.add(`${escapedForLike(text)}%`)}`;
    case "suffix":
      return `${sql} like ${params.add(`%${escapedForLike(text)}`)}`;
  }
}

/** The same where the column has several texts, a line each. */
export function hasTextInLines(
  sql: string,
  how: "contains" | "prefix" | "suffix",
  text: string,
  params: Parameters,
): string {
  switch (how) {
    case "contains":
      return hasText(sql, how, text, params);
    case "prefix":
      return `position(${params.add(`\n${text}`)} in E'\\n' || ${sql}) > 0`;
    case "suffix":
      return `position(${params.add(`${text}\n`)} in ${sql} || E'\\n') > 0`;
  }
}
