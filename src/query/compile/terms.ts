import { foldedId } from "../../db/setup/search-index.js";
import { foldedText, searchText } from "../../lib/text.js";
import { COLUMNS, LEAN_COLUMNS } from "../columns.js";
import type { Term, TermField } from "../condition.js";
import type { Parameters } from "../parameters.js";
import { type SearchTerm, searchTerm } from "../search-term.js";
import { type Context, speakOf } from "./context.js";
import { foldedFor, hasText, hasTextInLines } from "./folding.js";
import { identifiers, whoHas } from "./rows.js";
import { similar } from "./similar.js";

type Spelled = Exclude<Term["how"], "similar">;
type Trigrams = Extract<SearchTerm, { kind: "trigrams" }>;

/** Narrowed by the searched text, which is indexed, then looked for in the one field it must be in. */
export function term(condition: Term, context: Context): string {
  const { how, field, text } = condition;
  if (how === "similar") return similar(field, text, context);
  if (how === "prefix" && field in ORDERED) return byOrder(field as keyof typeof ORDERED, text, context);
  const { params } = context;
  const inField = () => inOwnField(field, how, text, params);
  // The one field that isn't part of the searched text.
  if (field === "external_id") {
    context.notes.terms ??= "by looking";
    speakOf(COLUMNS.external_id, context);
    return inField() ?? "false";
  }
  const found = termOf(text, context);
  speakOf(COLUMNS.id, context);
  switch (found.kind) {
    case "trigrams":
      return bothOf(hasTrigrams(found, PARTS[field], context), inField());
    case "rare":
      return bothOf(hasGrams(found.grams, params), inField() ?? inSearch(found.pattern, params));
    case "common":
      return inField() ?? inSearch(found.pattern, params);
  }
}

/** For what is in the searched text as well, and no id: finds those who may have it. Null: no index knows it. */
export function narrowed(text: string, context: Context): string | null {
  const found = searchTerm(text, context.search.statistics.lettersBeyondAscii);
  if (found.kind !== "trigrams" || !context.mustHold) return null;
  context.notes.terms = "by index";
  return hasTrigrams(found, ["identifiers"], context);
}

/** The fields whose own index finds what they begin with. */
const ORDERED = {
  username: COLUMNS.username,
  first_name: COLUMNS.first_name,
  last_name: COLUMNS.last_name,
} as const;

const byOrder = (field: keyof typeof ORDERED, text: string, context: Context) =>
  hasText(speakOf(ORDERED[field], context), "prefix", foldedText(text), context.params);

/** The term, and how it is looked for. If many users have its pieces, their index isn't read. */
function termOf(value: string, { notes, search, mustHold }: Context): SearchTerm {
  const { statistics, mostByPieces } = search;
  const term = searchTerm(value, statistics.lettersBeyondAscii);
  const isPassedOver = term.kind === "rare" && statistics.shareOf(term.grams) > mostByPieces;
  notes.hasCommonPieces ||= isPassedOver && mustHold;
  if (term.kind !== "common" && !isPassedOver && mustHold) notes.terms = "by index";
  else notes.terms ??= "by looking";
  return isPassedOver ? { ...term, kind: "common" } : term;
}

/** Null: the searched text itself is what it is looked for in, and it may stand anywhere there. */
function inOwnField(field: TermField, how: Spelled, value: string, params: Parameters): string | null {
  const folded = foldedText(value);
  const inOne = (sql: string) => hasText(sql, how, folded, params);
  const inLines = (sql: string) => hasTextInLines(sql, how, searchText(value), params);
  const inElement = (kind: "email" | "phone" | "wallet") => whoHas(identifiers(kind, inOne("i.folded")));
  switch (field) {
    case "any":
      return how === "contains" ? null : inLines(COLUMNS.search.sql);
    case "name":
      return inLines(COLUMNS.names.sql);
    case "email":
    case "phone":
    case "wallet":
      return inElement(field);
    case "username":
      return inOne(COLUMNS.username.sql);
    case "first_name":
    case "last_name":
      return inOne(COLUMNS[field].beside);
    case "id":
    case "external_id":
      return inOne(`(${foldedFor(folded, COLUMNS[field].sql, params)})`);
  }
}

const bothOf = (one: string, other: string | null) => (other === null ? one : `${one} and ${other}`);

/** What has a trigram index of its own. */
type Part = "names" | "identifiers" | "ids";

/** In which parts a text is looked for. */
const PARTS: Record<Exclude<TermField, "external_id">, readonly Part[]> = {
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

/** What is read of those who have a term: all of `user_search`, what `user_names` has too, or their ids alone. */
type Read = "whole" | "lean" | "ids";

const read = (what: Read, alias: "s" | "n") =>
  what === "whole"
    ? `${alias}.*`
    : (what === "lean" ? LEAN_COLUMNS : ["id"]).map((name) => `${alias}.${name}`).join(", ");

/** Tells those who have a pattern in a part, and in none of the parts before. */
const IN_PART: Record<Part, (pattern: string, before: readonly Part[], what: Read) => string> = {
  names: (pattern, _before, what) =>
    what === "whole"
      ? `select s.* from mirror_data.user_names n join mirror_data.user_search s on s.id = n.id
        where n.name_search like ${pattern}`
      : `select ${read(what, "n")} from mirror_data.user_names n where n.name_search like ${pattern}`,
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
function hasTrigrams({ text, pattern }: Trigrams, parts: readonly Part[], context: Context): string {
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
    if (search.gather && share <= MOST_COUNTED) notes.everyMatch = those("ids");
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
  const ids = apart.map((one) => IN_PART[one](value, [], "ids")).join("\n      union all ");
  const found = [...(apart.length < parts.length ? [identifiers] : []), `s.id = any(array(${ids}))`];
  return `${inTextOfMost} and (${found.join(" or ")})`;
}

const hasGrams = (grams: readonly string[], params: Parameters) => `s.id in (
  select g.id from mirror_data.user_grams g where g.rare_grams @> ${params.texts(grams)})`;

/**
 * LIKE by the name of its function, so that no plan can read the trigram index for it. For terms of two letters it
 * takes half the time of `position`.
 */
const inSearch = (pattern: string, params: Parameters) => `textlike(s.search, ${params.add(pattern)})`;
