import { sqlText } from "../../lib/text.js";
import type { Bound, MetadataScalar } from "../condition.js";
import { allOf, anyOf, complement, EVERYBODY, type Tree } from "./algebra.js";
import { type Field, OPERATORS, type Operator, operatorsOf, type Part } from "./catalogue.js";
import { itemPath, memberPath, nearest, problem, shown } from "./problems.js";
import { parseTime } from "./times.js";

/** What is known while a filter is read. */
export interface Reading {
  nowMs: number;
  /** Throws when this is one condition too many. */
  count(path: string): void;
  counted(): number;
}

export const MOST_VALUES = 1000;

/** What is asked of one field: a scalar, an array of them, or an object of operators that must all hold. */
export function parseAsked<L>(field: Field<L>, asked: unknown, path: string, reading: Reading): Tree<L> {
  if (Array.isArray(asked)) return operate(field, "in", asked, path, reading);
  if (typeof asked !== "object" || asked === null) return operate(field, "eq", asked, path, reading);
  const entries = Object.entries(asked);
  if (entries.length === 0) {
    throw problem(path, `must have an operator: ${operatorsOf(field).join(", ")}.`);
  }
  return allOf(
    entries.map(([name, value]) => {
      const at = memberPath(path, name);
      const operator = OPERATORS.find((known) => known === name);
      if (!operator)
        throw problem(at, `is no operator: ${shown(name)}. ${nearest(name, operatorsOf(field))}`);
      return operate(field, operator, value, at, reading);
    }),
  );
}

function operate<L>(
  field: Field<L>,
  operator: Operator,
  value: unknown,
  path: string,
  reading: Reading,
): Tree<L> {
  reading.count(path);
  const known = operatorsOf(field);
  if (!known.includes(operator)) {
    throw problem(path, `can't be asked with ${operator}. It can be: ${known.join(", ")}.`);
  }
  switch (operator) {
    case "eq":
      return equalsAny(field, [value], () => path, reading);
    case "ne":
      return complement(equalsAny(field, [value], () => path, reading));
    case "in":
      return equalsAny(field, listOf(value, path), (n) => itemPath(path, n), reading);
    case "nin":
      return complement(equalsAny(field, listOf(value, path), (n) => itemPath(path, n), reading));
    case "exists":
      return parseFlag(value, path) ? present(field) : complement(present(field));
    case "lt":
    case "lte":
    case "gt":
    case "gte":
      return bound(field, operator, value, path, reading);
    case "similar":
    case "contains":
    case "prefix":
    case "suffix":
      return holds(field, operator, value, path);
  }
}

function listOf(value: unknown, path: string): readonly unknown[] {
  if (!Array.isArray(value)) throw problem(path, `must be an array of values, not ${shown(value)}.`);
  if (value.length <= MOST_VALUES) return value;
  throw problem(path, `must have at most ${MOST_VALUES} values, not ${value.length}.`);
}

/** Null among the values: or the field has none. */
function equalsAny<L>(
  field: Field<L>,
  values: readonly unknown[],
  pathOf: (index: number) => string,
  reading: Reading,
): Tree<L> {
  const given = values.flatMap((value, n) => (value === null ? [] : [{ value, path: pathOf(n) }]));
  return anyOf([
    ...(given.length > 0 ? [among(field, given, reading)] : []),
    ...(given.length < values.length ? [complement(present(field))] : []),
  ]);
}

type Given = readonly { value: unknown; path: string }[];

function among<L>(field: Field<L>, given: Given, reading: Reading): Tree<L> {
  switch (field.type) {
    case "text":
      return field.among(unique(given.map(({ value, path }) => parseText(value, path))));
    case "time": {
      const valuesMs = unique(given.map(({ value, path }) => parseTime(value, reading.nowMs, path)));
      return field.compare({ operator: "among", valuesMs });
    }
    case "flag":
      return anyOf(unique(given.map(({ value, path }) => parseFlag(value, path))).map(field.is));
    case "metadata": {
      const values = unique(given.map(({ value, path }) => parseScalar(value, path)));
      return field.test({ operator: "in", values });
    }
    case "any":
      throw new TypeError("any has no values to be among.");
  }
}

const unique = <T>(values: readonly T[]): T[] => [...new Set(values)];

/** The field has a value. Flags always have one. */
function present<L>(field: Field<L>): Tree<L> {
  switch (field.type) {
    case "flag":
      return EVERYBODY;
    case "metadata":
      return field.test({ operator: "present" });
    case "any":
      throw new TypeError("any isn't a value that could be there or not.");
    default:
      return field.present;
  }
}

function bound<L>(field: Field<L>, operator: Bound, value: unknown, path: string, reading: Reading): L {
  if (field.type === "time") {
    return field.compare({ operator, valueMs: parseTime(value, reading.nowMs, path) });
  }
  if (field.type !== "metadata") throw new TypeError(`${field.type} has no order.`);
  const isScalar = typeof value === "string" || typeof value === "number";
  const limit = isScalar ? parseScalar(value, path) : null;
  if (limit !== null && typeof limit !== "boolean") return field.test({ operator, value: limit });
  throw problem(path, `must be a number or a text, not ${shown(value)}.`);
}

/**
 * No address is longer. Postgres cuts the text into its trigrams anew for each user that it looks at: with 60,000 characters 400
 * users take ten seconds.
 */
const MOST_SIMILAR_CHARS = 256;

/** In metadata, `contains` also means an array that has the value itself as an element. */
function holds<L>(field: Field<L>, how: Part | "similar", value: unknown, path: string): Tree<L> {
  if (field.type === "metadata" && how === "contains") {
    const element = parseScalar(value, path);
    if (typeof element !== "string") return field.test({ operator: "has", values: [element] });
    const text = parseTerm(element, path);
    return anyOf([
      field.test({ operator: "has", values: [text] }),
      field.test({ operator: "contains", text }),
    ]);
  }
  const text = parseTerm(value, path);
  if (how === "similar" && text.length > MOST_SIMILAR_CHARS) {
    throw problem(path, `must have at most ${MOST_SIMILAR_CHARS} characters.`);
  }
  if (field.type === "any") return field.holds(how, text);
  if (how !== "similar") {
    if (field.type === "text") return field.holds(how, text);
    if (field.type === "metadata") return field.test({ operator: how, text });
  } else if (field.type === "text" && field.similar) return field.similar(text);
  throw new TypeError(`${field.type} can't be asked with ${how}.`);
}

function parseText(value: unknown, path: string): string {
  if (typeof value === "string") return sqlText(value);
  throw problem(path, `must be a text, not ${shown(value)}.`);
}

function parseTerm(value: unknown, path: string): string {
  const text = parseText(value, path);
  if (text !== "") return text;
  throw problem(path, "must be a text that isn't empty.");
}

function parseFlag(value: unknown, path: string): boolean {
  if (typeof value === "boolean") return value;
  throw problem(path, `must be true or false, not ${shown(value)}.`);
}

function parseScalar(value: unknown, path: string): MetadataScalar {
  if (typeof value === "string") return sqlText(value);
  if (typeof value === "boolean") return value;
  // JSON has no infinity, but 1e999 is read as one. -0 is 0 to everybody but JavaScript.
  if (typeof value === "number" && Number.isFinite(value)) return value + 0;
  const what = typeof value === "number" ? "a number that is too large" : shown(value);
  throw problem(path, `must be a text, a number, true or false, not ${what}.`);
}
