import { foldedId } from "../../db/setup/search-index.js";
import { COLUMNS, LEAN_COLUMNS } from "../columns.js";
import type { TermField } from "../condition.js";
import type { SearchTerm } from "../search-term.js";
import type { Context } from "./context.js";

type Trigrams = Extract<SearchTerm, { kind: "trigrams" }>;

/** What has a trigram index of its own. */
export type Part = "names" | "identifiers" | "ids";

/** In which parts a text is looked for. */
export const PARTS: Record<Exclude<TermField, "external_id">, readonly Part[]> = {
  any: ["names", "identifiers", "ids"],
  email: ["identifiers"],
  phone: ["identifiers"],
  wallet: ["identifiers"],
  username: ["identifiers"],
  name: ["names"],
  first_name: ["names"],
  last_name: ["names"],
  id: ["ids"],
};

/** Where a part stands with its index, and what it is there. */
const PLACES: Record<Part, { table: string; text: string }> = {
  names: { table: "user_names", text: "d.name_search" },
  identifiers: { table: "user_search", text: "d.identifier_search" },
  ids: { table: "user_ids", text: foldedId("d.") },
};

/** The ids of those of whom this holds in one of these parts: SQL, in which somebody may be told several times. */
export const idsIn = (parts: readonly Part[], holds: (text: string) => string): string =>
  parts
    .map((part) => {
      const { table, text } = PLACES[part];
      return `select d.id from mirror_data.${table} d where ${holds(text)}`;
    })
    .join("\n      union all ");

/** What is read of those who have a term: all of `user_search`, or what `user_names` has too. */
type Read = "whole" | "lean";

const read = (what: Read, alias: "s" | "n") =>
  what === "whole" ? `${alias}.*` : LEAN_COLUMNS.map((name) => `${alias}.${name}`).join(", ");

/** Tells those who have a pattern in a part, and in none of the parts before. */
const IN_PART: Record<Part, (pattern: string, before: readonly Part[], what: Read) => string> = {
  names: (pattern, _before, what) =>
    what === "lean"
      ? `select ${read(what, "n")} from mirror_data.user_names n where n.name_search like ${pattern}`
      : `select s.* from mirror_data.user_names n join mirror_data.user_search s on s.id = n.id
        where n.name_search like ${pattern}`,
  identifiers: (pattern, before, what) =>
    `select ${read(what, "s")} from mirror_data.user_search s
        where s.identifier_search like ${pattern}${inNone(before, pattern)}`,
  ids: (pattern, before, what) =>
    `select ${read(what, "s")} from mirror_data.user_ids i join mirror_data.user_search s on s.id = i.id
        where ${foldedId("i.")} like ${pattern}${inNone(before, pattern)}`,
};

const inNone = (parts: readonly Part[], pattern: string) =>
  parts.map((part) => ` and ${TEXT_OF[part]} not like ${pattern}`).join("");

const TEXT_OF: Record<Part, string> = {
  names: COLUMNS.names.sql,
  identifiers: COLUMNS.identifiers.sql,
  ids: foldedId("s."),
};

/** Beyond this share, reading everybody's text is as fast as counting what the indexes find. */
const MOST_COUNTED = 1 / 8;

/** So many ids are gathered into an array at most: whoever is looked at again is compared with each of them. */
const MOST_IN_ARRAY = 2000;

/**
 * By trigrams. Names and ids have tables of their own, so those whom the indexes find are gathered, and stand in place of `user_search`:
 * Postgres knows no other way from two tables to a third. Where too many have the term for that, users are walked along the order, or
 * all of them read: the text is looked at as if hardly anybody were without the term. Inside `or` and `not` one plan joins what each index
 * finds.
 */
export function hasTrigrams({ text, pattern }: Trigrams, parts: readonly Part[], context: Context): string {
  const { notes, params, search, mustHold } = context;
  const { shareIn, users } = search.statistics;
  const value = params.add(pattern);
  const inText = `s.search like ${value}`;
  if (search.estimate) return inText;
  // Postgres expects hardly any number to be 0.
  const inTextOfMost = `(${inText})::int <> 0`;
  const identifiers = `${COLUMNS.identifiers.sql} like ${value}`;
  const those = (what: Read) =>
    parts.map((part, n) => IN_PART[part](value, parts.slice(0, n), what)).join("\n      union all ");
  if (mustHold) {
    const [only] = parts;
    const share = shareIn(parts.length === 1 && only ? only : "all", text);
    if (search.gather && share <= MOST_COUNTED) notes.everyMatch = those("lean");
    if (share >= search.mostByPieces) {
      notes.hasCommonPieces = true;
      return search.gather ? inText : inTextOfMost;
    }
    if (only === "identifiers") return identifiers;
    if (notes.source !== null) return inTextOfMost;
    notes.source = { whole: those("whole"), lean: those("lean") };
    return "true";
  }
  const apart = parts.filter((one) => one !== "identifiers");
  if (apart.length === 0) return identifiers;
  if ((shareIn("names", text) + shareIn("ids", text)) * users > MOST_IN_ARRAY) return inText;
  const ids = idsIn(apart, (part) => `${part} like ${value}`);
  const found = [...(apart.length < parts.length ? [identifiers] : []), `s.id = any(array(${ids}))`];
  return `${inTextOfMost} and (${found.join(" or ")})`;
}
