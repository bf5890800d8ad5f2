import { exactKey, foldedKey } from "../lib/text.js";
import { COLUMNS, type Column } from "./columns.js";
import { among, BOUNDS, type Context, joined, type Notes, speakOf } from "./compile/context.js";
import { element, noElement } from "./compile/elements.js";
import { isSpreadOverIndexes, namesUsers } from "./compile/known.js";
import { userMetadata } from "./compile/metadata.js";
import { term } from "./compile/terms.js";
import {
  type Compare,
  type CompareTime,
  type Condition,
  conjuncts,
  type FlagField,
  type Or,
  type Present,
  type TextField,
  type TimeField,
} from "./condition.js";
import type { Parameters } from "./parameters.js";
import { fromOf, type Search, type Where, whereClause } from "./where.js";

/** Builds every WHERE. Values are always parameters. */
export function compileFilter(filter: Condition, params: Parameters, search: Search): Where {
  const notes = blank();
  const conditions = conjuncts(filter).map((condition) => {
    notes.few ||= namesUsers(condition);
    return compile(condition, { notes, params, search, mustHold: true });
  });
  const everyMatch = isTextAnywhere(filter) ? notes.everyMatch : null;
  return Object.assign(notes, { conditions, everyMatch });
}

/** Whether nothing but that is asked for. */
function isTextAnywhere(filter: Condition): boolean {
  const [only, ...others] = conjuncts(filter);
  return others.length === 0 && only?.kind === "term" && only.how === "contains" && only.field === "any";
}

const blank = (): Notes => ({
  tables: new Set(),
  few: false,
  spread: false,
  terms: null,
  hasCommonPieces: false,
  size: 0,
  joins: [],
  similarities: [],
  estimating: 0,
  everyMatch: null,
  source: null,
});

function compile(condition: Condition, context: Context): string {
  switch (condition.kind) {
    case "and":
      return joined(inside(condition.all, context), " and ");
    case "or":
      return anyOf(condition, context);
    case "not":
      return complement(condition.condition, context);
    case "compare":
      return compare(condition, context);
    case "present":
      return present(condition, context);
    case "term":
      return term(condition, context);
    case "metadata":
      return userMetadata(condition, context);
    case "element":
      return element(condition, context);
  }
}

function anyOf(or: Or<Condition>, context: Context): string {
  const { notes, search, mustHold } = context;
  const isSpread = mustHold && isSpreadOverIndexes(or.any);
  notes.spread ||= isSpread;
  if (isSpread && (search.gather || namesUsers(or))) return gathered(or.any, context);
  return joined(inside(or.any, context), " or ");
}

/** The ids of those who meet one of them, each found by its own index. */
function gathered(any: readonly Condition[], context: Context): string {
  const { notes } = context;
  const sets = any.map((condition) => {
    const own = blank();
    // How similar they are is asked of them outside, too.
    const search = { ...context.search, gather: false };
    const all = conjuncts(condition).map((one) => compile(one, { ...context, notes: own, search }));
    notes.size += own.size;
    notes.terms ??= own.terms;
    notes.similarities.push(...own.similarities);
    const { from, id } = fromOf({ ...own, conditions: all }, [], []);
    return `select ${id} from ${from} ${whereClause(all)}`;
  });
  return `${speakOf(COLUMNS.id, context)} in (${sets.join(" union all ")})`;
}

function inside(conditions: readonly Condition[], context: Context): string[] {
  context.notes.size++;
  return conditions.map((condition) => compile(condition, { ...context, mustHold: false }));
}

/** Keeps the users who have no such value. */
function complement(condition: Condition, context: Context): string {
  if (condition.kind === "element") return noElement(condition, context);
  if (condition.kind === "compare" && condition.operator === "in" && condition.field !== "name") {
    const { column, key } = TEXTS[condition.field];
    const sql = speakOf(column, context);
    return `(${sql} is null or ${sql} <> all(${context.params.texts(condition.values.map(key))}))`;
  }
  const { notes } = context;
  const { length } = notes.similarities;
  const [opposite] = inside([condition], context);
  // Nobody who is kept is similar in this way.
  notes.similarities.length = length;
  return `(${opposite}) is not true`;
}

type OneText = Exclude<TextField, "name">;

const TEXTS: Record<OneText, { column: Column; key: (value: string) => string }> = {
  id: { column: COLUMNS.id, key: exactKey },
  external_id: { column: COLUMNS.external_id, key: exactKey },
  username: { column: COLUMNS.username, key: foldedKey },
  first_name: { column: COLUMNS.first_name, key: foldedKey },
  last_name: { column: COLUMNS.last_name, key: foldedKey },
};

function compare(condition: Compare, context: Context): string {
  switch (condition.operator) {
    case "in": {
      const { field, values } = condition;
      if (field === "name") return isNamed(values, context);
      const { column, key } = TEXTS[field];
      return among(speakOf(column, context), values.map(key), context.params);
    }
    case "eq":
      return condition.field === "locked"
        ? locked(condition.value, context)
        : flag(condition.field, condition.value, context);
    default:
      return compareTime(condition, context);
  }
}

function isNamed(values: readonly string[], context: Context): string {
  const { params } = context;
  const first = speakOf(COLUMNS.first_name, context);
  const last = COLUMNS.last_name.sql;
  const given = params.texts(values.map(foldedKey));
  return `(${[first, last, `${first} || ' ' || ${last}`].map((sql) => `${sql} = any(${given})`).join(" or ")})`;
}

function flag(field: Exclude<FlagField, "locked">, value: boolean, context: Context): string {
  const sql = speakOf(COLUMNS[field], context);
  return value ? sql : `not ${sql}`;
}

/** Few are, and an index knows them. */
function locked(value: boolean, context: Context): string {
  const id = speakOf(COLUMNS.id, context);
  const now = context.params.add(context.search.nowMs);
  const isLocked = `${id} in (select u.id from mirror_data.users u where u.locked_until > ${now}::bigint)`;
  return value ? isLocked : `not (${isLocked})`;
}

function compareTime(condition: CompareTime<TimeField>, context: Context): string {
  const { params } = context;
  const sql = speakOf(COLUMNS[condition.field], context);
  return condition.operator === "among"
    ? `${sql} = any(${params.integers(condition.valuesMs)})`
    : `${sql} ${BOUNDS[condition.operator]} ${params.add(condition.valueMs)}::bigint`;
}

function present({ field }: Present, context: Context): string {
  if (field === "name") {
    const first = speakOf(COLUMNS.first_name, context);
    return `(${first} is not null or ${COLUMNS.last_name.sql} is not null)`;
  }
  const { sql, nullable } = COLUMNS[field];
  if (!nullable) return "true";
  speakOf(COLUMNS[field], context);
  return `${sql} is not null`;
}
