import { AppError } from "../../../lib/errors.js";
import {
  ELEMENT_OBJECTS,
  FIELDS,
  metadataField,
  OPERATORS,
  type Operator,
  operatorsOf,
} from "../../../query/language/catalogue.js";
import { type FilterContext, parseFilter } from "../../../query/language/json-filter.js";
import { speaksOfMetadata } from "../../../query/language/paths.js";
import type { FilterObject } from "../../../query/language/scim.js";
import { parseValue, parseValues, printValue, printValues, type ValueKind } from "./filter-values.js";

/**
 * A row of the filter builder. `field`: one of the filter language's, a metadata path, or one of an element's with the element
 * before it (`membership.role`).
 */
export interface FilterRow {
  field: string;
  operator: string;
  /** As it was written. */
  value: string;
}

/**
 * Rows that must hold all, or any of which must. Of all rows, those that speak of a membership, an e-mail address or an account
 * (`membership.…`) speak of one and the same.
 */
export interface FilterRows {
  match: "all" | "any";
  rows: readonly FilterRow[];
}

const MOST_ROWS = 50;

/** From the parameters of a link or a form: `match`, and as many `field`, `op` and `value` as there are rows. */
export function rowsFromParams(params: URLSearchParams): FilterRows {
  const [operators, values] = [params.getAll("op"), params.getAll("value")];
  const removed = params.get("remove");
  const rows = params
    .getAll("field")
    .slice(0, MOST_ROWS)
    .map((field, n) => begun({ field: field.trim(), operator: operators[n] ?? "", value: values[n] ?? "" }))
    .filter(({ field }, n) => field !== "" && String(n) !== removed);
  return { match: params.get("match") === "any" ? "any" : "all", rows };
}

/** A row whose value isn't entered yet is compared as its field can be. */
function begun(row: FilterRow): FilterRow {
  if (row.value !== "") return row;
  const operators: readonly string[] = operatorsOfField(row.field) ?? OPERATORS;
  const operator = operators.includes(row.operator) ? row.operator : (operators[0] ?? "");
  return { ...row, operator, value: operator === "exists" ? "true" : "" };
}

export function paramsFromRows({ match, rows }: FilterRows): [name: string, value: string][] {
  const pairs = rows.flatMap(({ field, operator, value }): [string, string][] => [
    ["field", field],
    ["op", operator],
    ["value", value],
  ]);
  return match === "any" && rows.length > 0 ? [["match", "any"], ...pairs] : pairs;
}

export interface BuiltFilter {
  /** Of the rows that nothing is wrong with. */
  filter: FilterObject;
  /** What is wrong with a row, by its place; nothing: the filter is the rows'. */
  problems: ReadonlyMap<number, string>;
}

/** The filter that the rows make. */
export function filterFromRows({ match, rows }: FilterRows, context: FilterContext): BuiltFilter {
  const problems = new Map<number, string>();
  const entries = rows.flatMap((row, n) => {
    const read = entryOf(row, context);
    if ("problem" in read) problems.set(n, read.problem);
    return "problem" in read ? [] : [read];
  });
  if (match === "any" && entries.length > 0) return { filter: { or: entries.map(alone) }, problems };
  return { filter: together(entries), problems };
}

/** The rows that make this filter, which must be one that was accepted. Null: it says more than rows can. */
export function rowsFromFilter(filter: FilterObject): FilterRows | null {
  const isAny = Object.keys(filter).length === 1 && Array.isArray(filter.or) && filter.or.length > 0;
  if (!isAny) {
    const rows = flat(filter, "");
    return rows && { match: "all", rows };
  }
  const parts = (filter.or as FilterObject[]).map((part) => flat(part, ""));
  const rows = parts.flatMap((part) => (part?.length === 1 ? part : []));
  return rows.length === parts.length ? { match: "any", rows } : null;
}

/** What a field can be asked; null: there is no such field. */
export function operatorsOfField(field: string): readonly Operator[] | null {
  const found = fieldOf(field);
  return found ? operatorsOf(found) : null;
}

const kindOfField = (field: string): ValueKind | null => fieldOf(field)?.type ?? null;

/** One condition: the element that it speaks of or "", the field there, and what is asked. */
interface Entry {
  element: string;
  key: string;
  operator: Operator;
  value: unknown;
}

function entryOf(row: FilterRow, context: FilterContext): Entry | { problem: string } {
  const field = fieldOf(row.field);
  if (!field) {
    const named = alone({ ...splitField(row.field), operator: "eq", value: null });
    return { problem: refusalOf(named, context) ?? "There is no such field." };
  }
  const operator = OPERATORS.find((known) => known === row.operator);
  if (!operator) return { problem: "Choose how to compare." };
  if (row.value.trim() === "") return { problem: "Enter a value." };
  const entry = { ...splitField(row.field), operator, value: given(row.value, operator, field.type) };
  const problem = refusalOf(alone(entry), context);
  return problem === null ? entry : { problem };
}

function given(written: string, operator: Operator, kind: ValueKind): unknown {
  if (operator === "exists") return parseValue(written, "flag");
  return operator === "in" || operator === "nin" ? parseValues(written, kind) : parseValue(written, kind);
}

function refusalOf(filter: FilterObject, context: FilterContext): string | null {
  try {
    parseFilter(filter, context, "");
    return null;
  } catch (error) {
    if (error instanceof AppError) return error.longMessage ?? error.message;
    throw error;
  }
}

const condition = (operator: Operator, value: unknown): unknown =>
  operator === "eq" || (operator === "in" && Array.isArray(value)) ? value : { [operator]: value };

function alone({ element, key, operator, value }: Entry): FilterObject {
  const inner = { [key]: condition(operator, value) };
  return element === "" ? inner : { [element]: inner };
}

/** Each element is asked once for all that is said of it. */
function together(entries: readonly Entry[]): FilterObject {
  const own = entries.filter(({ element }) => element === "");
  const elements = [...ELEMENT_OBJECTS.keys()].flatMap((name): [string, FilterObject][] => {
    const said = entries.filter(({ element }) => element === name);
    return said.length > 0 ? [[name, joined(said)]] : [];
  });
  const inner = joined(own);
  return Object.hasOwn(inner, "and") && elements.length > 0
    ? { and: [...(inner.and as FilterObject[]), ...elements.map(([name, said]) => ({ [name]: said }))] }
    : { ...inner, ...Object.fromEntries(elements) };
}

/** As one object, where no field is asked the same twice. */
function joined(entries: readonly Entry[]): FilterObject {
  const byKey = new Map<string, Map<Operator, unknown>>();
  for (const { key, operator, value } of entries) {
    const asked = byKey.get(key) ?? new Map<Operator, unknown>();
    if (asked.has(operator)) {
      return { and: entries.map((entry) => ({ [entry.key]: condition(entry.operator, entry.value) })) };
    }
    byKey.set(key, asked.set(operator, value));
  }
  return Object.fromEntries(
    [...byKey].map(([key, asked]) => {
      const [[operator, value] = ["eq", null] as const] = asked;
      return [key, asked.size === 1 ? condition(operator as Operator, value) : Object.fromEntries(asked)];
    }),
  );
}

/** Null: something in it is no row. */
function flat(filter: FilterObject, element: string): FilterRow[] | null {
  const rows: FilterRow[] = [];
  const seen = new Set<string>();
  for (const [key, value] of Object.entries(filter)) {
    const found = key === "and" ? flatAll(value as FilterObject[], element) : flatEntry(key, value, element);
    if (!found) return null;
    const of = new Set(found.map(({ field }) => splitField(field).element));
    // Two objects that each speak of an element are no rows, which would speak of the same one.
    if (element === "") for (const name of of) if (name !== "" && seen.has(name)) return null;
    for (const name of of) seen.add(name);
    rows.push(...found);
  }
  return rows.length <= MOST_ROWS ? rows : null;
}

function flatAll(parts: readonly FilterObject[], element: string): FilterRow[] | null {
  const found = parts.map((part) => flat(part, element));
  const elements = found.map((rows) => new Set((rows ?? []).map(({ field }) => splitField(field).element)));
  const named = elements.flatMap((set) => [...set].filter((name) => name !== ""));
  if (element === "" && new Set(named).size < named.length) return null;
  return found.some((rows) => rows === null) ? null : found.flatMap((rows) => rows ?? []);
}

function flatEntry(key: string, value: unknown, element: string): FilterRow[] | null {
  if (key === "or" || key === "not") return null;
  if (element === "" && ELEMENT_OBJECTS.has(key)) {
    const rows = flat(value as FilterObject, key);
    return rows && rows.length > 0 ? rows : null;
  }
  const field = element === "" ? key : `${element}.${key}`;
  const kind = kindOfField(field);
  if (kind === null || !FITS_A_BOX.test(field)) return null;
  if (Array.isArray(value)) return one(field, "in", value, kind);
  if (typeof value !== "object" || value === null) return one(field, "eq", value, kind);
  const found = Object.entries(value).map(([operator, asked]) =>
    one(field, operator as Operator, asked, kind),
  );
  return found.some((rows) => rows === null) ? null : found.flatMap((rows) => rows ?? []);
}

/** A text box has one line, and what stands in it is read without spaces around it. */
const FITS_A_BOX = /^\S(?:[^\r\n\p{Surrogate}]*\S)?$/u;

function one(field: string, operator: Operator, value: unknown, kind: ValueKind): FilterRow[] | null {
  if (operator === "exists") return [{ field, operator, value: String(value) }];
  if (value === null) return [{ field, operator: "exists", value: String(operator === "ne") }];
  if (operator !== "in" && operator !== "nin") return [{ field, operator, value: printValue(value, kind) }];
  const values = value as readonly unknown[];
  if (values.length === 0 || values.includes(null)) return null;
  return [{ field, operator, value: printValues(values, kind) }];
}

function splitField(field: string): { element: string; key: string } {
  const [head = "", ...rest] = field.split(".");
  return ELEMENT_OBJECTS.has(head) && rest.length > 0
    ? { element: head, key: rest.join(".") }
    : { element: "", key: field };
}

function fieldOf(field: string) {
  const { element, key } = splitField(field);
  // Its kind is the same whatever the path; the filter's parser looks at that.
  if (speaksOfMetadata(key) && (element === "" || element === "membership"))
    return metadataField("public", []);
  return (element === "" ? FIELDS : ELEMENT_OBJECTS.get(element)?.fields)?.get(key);
}
