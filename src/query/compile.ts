import { exactKey, foldedKey } from "../lib/text.js";
import { COLUMNS, type Column } from "./columns.js";
import {
  type Bound,
  type Compare,
  type Condition,
  conjuncts,
  type Element,
  type Identifiers,
  type Term,
  type TextField,
} from "./condition.js";
import type { Parameters } from "./parameters.js";
import { type SearchTerm, searchTerm } from "./search-term.js";
import type { TermStatistics } from "./term-statistics.js";

/**
 * What a filter says about itself without asking the database. `strategy.ts` decides from it how a statement is run.
 */
export interface Traits {
  /** Which of the two tables the conditions speak of. */
  search: boolean;
  activity: boolean;
  /** At most a few users are kept, because values that are indexed name them. */
  few: boolean;
  /** How users with the terms are found; null: there is no term. */
  terms: "by index" | "by looking" | null;
  /** A term has pieces that an index knows, but too many users have them: that index wasn't used. */
  hasCommonPieces: boolean;
  /**
   * How many comparisons the filter has, counting `or` and `not` too. The more, the less likely the statement is to
   * recur.
   */
  size: number;
}

/** A filter in SQL, over `user_search s` and `user_activity a`. */
export interface Where extends Traits {
  /** All of them must hold. */
  conditions: string[];
}

/** How terms are looked for. */
export interface Search {
  statistics: TermStatistics;
  /** Where a larger share of users has the pieces of a term, their index isn't used. */
  mostByPieces: number;
}

/** Builds every WHERE. Values are always parameters. */
export function compileFilter(filter: Condition, params: Parameters, search: Search): Where {
  const traits = { search: false, activity: false, few: false, terms: null, hasCommonPieces: false, size: 0 };
  const where: Where = { conditions: [], ...traits };
  for (const condition of conjuncts(filter)) {
    where.few ||= namesUsers(condition);
    where.conditions.push(compile(condition, { where, params, search, mustHold: true }));
  }
  return where;
}

/** Such conditions are met by a few users at most. Members of an organization can be many. */
function namesUsers(condition: Condition): boolean {
  if (condition.kind === "element") return condition.list !== "membership";
  return condition.kind === "compare" && condition.operator === "in";
}

interface Context {
  where: Where;
  params: Parameters;
  search: Search;
  /** Whether all users that are kept meet the condition. What stands inside `or` and `not` is no way to find them. */
  mustHold: boolean;
}

function compile(condition: Condition, context: Context): string {
  switch (condition.kind) {
    case "and":
      return joined(condition.all, " and ", "true", context);
    case "or":
      return joined(condition.any, " or ", "false", context);
    case "not":
      return complement(condition.condition, context);
    case "compare":
      return compare(condition, context);
    case "term":
      return term(condition, context);
    case "element":
      return element(condition, context, HAS_ELEMENT);
    case "present":
    case "metadata":
      return notYet(condition.kind);
  }
}

function joined(conditions: readonly Condition[], by: string, ofNone: string, context: Context): string {
  context.where.size++;
  const inside = { ...context, mustHold: false };
  const parts = conditions.map((condition) => `(${compile(condition, inside)})`);
  return parts.length > 0 ? `(${parts.join(by)})` : ofNone;
}

/** Keeps the users who have no such value. */
function complement(condition: Condition, context: Context): string {
  if (condition.kind === "element") return element(condition, context, HAS_NO_ELEMENT);
  if (condition.kind === "compare" && condition.operator === "in") {
    const { column, key } = TEXTS[condition.field];
    const { sql } = speakOf(column, context);
    return `(${sql} is null or ${sql} <> all(${context.params.texts(condition.values.map(key))}))`;
  }
  context.where.size++;
  return `(${compile(condition, { ...context, mustHold: false })}) is not true`;
}

/** Takes the place of what is compiled next. */
function notYet(what: string): never {
  throw new TypeError(`${what} is not compiled yet`);
}

const TEXTS: Record<TextField, { column: Column; key: (value: string) => string }> = {
  id: { column: COLUMNS.id, key: exactKey },
  external_id: { column: COLUMNS.external_id, key: exactKey },
  username: { column: COLUMNS.username, key: foldedKey },
  first_name: { column: COLUMNS.first_name, key: foldedKey },
  last_name: { column: COLUMNS.last_name, key: foldedKey },
  name: { column: COLUMNS.names, key: foldedKey },
};

const BOUNDS: Record<Bound, string> = { lt: "<", lte: "<=", gt: ">", gte: ">=" };

function compare(condition: Compare, context: Context): string {
  const { params } = context;
  switch (condition.operator) {
    case "in": {
      const { column, key } = TEXTS[condition.field];
      return among(speakOf(column, context).sql, condition.values.map(key), params);
    }
    case "eq": {
      if (condition.field !== "banned") return notYet(condition.field);
      const { sql } = speakOf(COLUMNS[condition.field], context);
      return condition.value ? sql : `not ${sql}`;
    }
    case "among":
      return notYet(condition.operator);
    default: {
      const { sql } = speakOf(COLUMNS[condition.field], context);
      return `${sql} ${BOUNDS[condition.operator]} ${params.add(condition.valueMs)}::bigint`;
    }
  }
}

/** Notes that a comparison is made, and which table it needs. */
function speakOf(column: Column, { where }: Context): Column {
  where.size++;
  where[column.table] = true;
  return column;
}

/** A single value has a statement of its own, whose plan can be kept: it is as good for every other value. */
function among(sql: string, values: readonly string[], params: Parameters): string {
  const [only] = values;
  return values.length === 1 && only !== undefined
    ? `${sql} = ${params.add(only)}`
    : `${sql} = any(${params.texts(values)})`;
}

/** A user's elements: which rows they are, and what must hold of them. */
interface Rows {
  from: string;
  userId: string;
  condition: string;
}

/** Starts from the elements, which have an index. */
const HAS_ELEMENT = ({ from, userId, condition }: Rows) => `s.id in (select ${userId} from ${from}
    where ${condition})`;

/** Starts from the user: `not in` would gather the elements of all others first. */
const HAS_NO_ELEMENT = (rows: Rows) => `not ${whoHas(rows)}`;
const whoHas = ({ from, userId, condition }: Rows) => `exists (select from ${from}
    where ${userId} = s.id and ${condition})`;

function element({ list, where }: Element, context: Context, spelled: (rows: Rows) => string): string {
  const { params } = context;
  if (where.kind !== "compare" || where.operator !== "in") return notYet(where.kind);
  speakOf(COLUMNS.id, context);
  if (list === "membership") {
    const condition = `m.organization_id = any(${params.texts(where.values.map(exactKey))})`;
    return spelled({ from: "mirror.organization_memberships m", userId: "m.user_id", condition });
  }
  const folded = among("i.folded", where.values.map(foldedKey), params);
  if (!EXACT.has(list)) return spelled(identifiers(list, folded));
  // Found by the folded value, which is indexed, then compared as it is spelled.
  const exact = among("i.value", where.values.map(exactKey), params);
  return spelled(identifiers(list, `${folded}\n      and ${exact}`));
}

/** Phone numbers and ids at providers are exact; the others fold case. */
const EXACT: ReadonlySet<Identifiers> = new Set(["phone", "account"] as const);

const identifiers = (kind: Identifiers, condition: string): Rows => ({
  from: "mirror_data.user_identifiers i",
  userId: "i.user_id",
  condition: `i.kind = '${kind}' and ${condition}`,
});

/** Narrowed by the searched text as a whole, which is indexed, then looked for in the one field it must be in. */
function term({ how, field, text }: Term, context: Context): string {
  if (how !== "contains") notYet(how);
  const { params } = context;
  const term = termOf(text, context);
  const own = FIELDS_OF_TERMS[field];
  const inField = () => own?.(params.add(term.text)) ?? null;
  speakOf(COLUMNS.id, context);
  switch (term.kind) {
    case "trigrams":
      return bothOf(`s.search like ${params.add(term.pattern)}`, inField());
    case "rare":
      return bothOf(hasGrams(term.grams, params), inField() ?? inSearch(term.pattern, params));
    case "common":
      return inField() ?? inSearch(term.pattern, params);
  }
}

/** The term, and how it is looked for. If many users have its pieces, their index isn't read. */
function termOf(value: string, { where, search, mustHold }: Context): SearchTerm {
  const { statistics, mostByPieces } = search;
  const term = searchTerm(value, statistics.lettersBeyondAscii);
  const isPassedOver = term.kind === "rare" && statistics.shareOf(term.grams) > mostByPieces;
  where.hasCommonPieces ||= isPassedOver && mustHold;
  if (term.kind !== "common" && !isPassedOver && mustHold) where.terms = "by index";
  else where.terms ??= "by looking";
  return isPassedOver ? { ...term, kind: "common" } : term;
}

const FIELDS_OF_TERMS: Partial<Record<Term["field"], (text: string) => string>> = {
  email: (text) => whoHas(identifiers("email", `position(${text} in i.folded) > 0`)),
  phone: (text) => whoHas(identifiers("phone", `position(${text} in i.folded) > 0`)),
  username: (text) => `position(${text} in ${COLUMNS.username.sql}) > 0`,
  name: (text) => `position(${text} in ${COLUMNS.names.sql}) > 0`,
};

const bothOf = (one: string, other: string | null) => (other === null ? one : `${one} and ${other}`);

const hasGrams = (grams: readonly string[], params: Parameters) => `s.id in (
  select g.id from mirror_data.user_grams g where g.rare_grams @> ${params.texts(grams)})`;

/**
 * LIKE by the name of its function, so that no plan can read the trigram index for it. For terms of two letters it
 * takes half the time of `position`.
 */
const inSearch = (pattern: string, params: Parameters) => `textlike(s.search, ${params.add(pattern)})`;
