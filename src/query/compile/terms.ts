import { foldedText, searchText } from "../../lib/text.js";
import { COLUMNS } from "../columns.js";
import type { Term, TermField } from "../condition.js";
import type { Parameters } from "../parameters.js";
import { type SearchTerm, searchTerm } from "../search-term.js";
import { type Context, speakOf } from "./context.js";
import { foldedFor, hasText, hasTextInLines } from "./folding.js";
import { identifiers, whoHas } from "./rows.js";
import { similar } from "./similar.js";
import { hasTrigrams, PARTS } from "./trigrams.js";

type Spelled = Exclude<Term["how"], "similar">;

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

const hasGrams = (grams: readonly string[], params: Parameters) => `s.id in (
  select g.id from mirror_data.user_grams g where g.rare_grams @> ${params.texts(grams)})`;

/**
 * LIKE by the name of its function, so that no plan can read the trigram index for it. For terms of two letters it
 * takes half the time of `position`.
 */
const inSearch = (pattern: string, params: Parameters) => `textlike(s.search, ${params.add(pattern)})`;
