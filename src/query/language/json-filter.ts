import type { Scope } from "../../auth/scopes.js";
import type { Condition } from "../condition.js";
import { allOf, anyOf, complement, isEmpty, NOBODY, type Tree } from "./algebra.js";
import {
  ELEMENT_OBJECTS,
  type ElementLeaf,
  type ElementObject,
  FIELDS,
  type Field,
  metadataField,
  type UserLeaf,
} from "./catalogue.js";
import { parseAsked, type Reading } from "./operators.js";
import { parseMetadataPath, speaksOfMetadata } from "./paths.js";
import { itemPath, memberPath, nearest, problem, shown } from "./problems.js";

/** `nowMs`: what `now` means. `scopes`: of the key that asks. */
export interface FilterContext {
  nowMs: number;
  scopes: ReadonlySet<Scope>;
}

/** Of `and`, `or`, `not` and element objects inside each other. It bounds how deep everything recurses that walks a condition. */
export const MOST_DEPTH = 8;
const MOST_CONDITIONS = 200;

/**
 * A filter in the form of JSON: an object whose entries must all hold. Throws `invalid_request` with the JSON path of what is
 * wrong, or `forbidden` where it looks into private metadata without the scope. `path`: where the filter stands.
 */
export function parseFilter(value: unknown, context: FilterContext, path = "filter"): Condition {
  let conditions = 0;
  const reading: Reading = {
    nowMs: context.nowMs,
    count(at) {
      if (++conditions <= MOST_CONDITIONS) return;
      throw problem(at, `is one condition too many: a filter has at most ${MOST_CONDITIONS}.`);
    },
    counted: () => conditions,
  };
  return parseObject(value, ofUsers(context.scopes, reading), 0, path);
}

/** Of whom or what the entries of an object speak. */
interface Subject<L> {
  what: string;
  /** All that an entry can be named, for messages. */
  names: readonly string[];
  reading: Reading;
  fieldOf(key: string, at: string): Field<L> | undefined;
  elementsOf(key: string): { object: ElementObject; holds(where: Tree<ElementLeaf>): L } | undefined;
}

function ofUsers(scopes: ReadonlySet<Scope>, reading: Reading): Subject<UserLeaf> {
  return {
    what: "a field",
    names: USER_NAMES,
    reading,
    fieldOf(key, at) {
      if (!speaksOfMetadata(key)) return FIELDS.get(key);
      const { object, path } = parseMetadataPath(key, scopes, at);
      return metadataField(object, path);
    },
    elementsOf(key) {
      const object = ELEMENT_OBJECTS.get(key);
      return object && { object, holds: (where) => ({ kind: "element", list: object.list, where }) };
    },
  };
}

const LOGIC = ["and", "or", "not"];
const USER_NAMES = [
  ...FIELDS.keys(),
  ...["public_metadata.<path>", "unsafe_metadata.<path>", "private_metadata.<path>"],
  ...ELEMENT_OBJECTS.keys(),
  ...LOGIC,
];

/** No scope is needed for the metadata of memberships: only their public metadata are known. */
function ofElements(name: string, { list, fields }: ElementObject, reading: Reading): Subject<ElementLeaf> {
  const metadata = list === "membership" ? ["public_metadata.<path>"] : [];
  return {
    what: `a field of ${name}`,
    names: [...fields.keys(), ...metadata, ...LOGIC],
    reading,
    fieldOf(key, at) {
      if (metadata.length === 0 || !/^public_metadata(\.|$)/.test(key)) return fields.get(key);
      const { object, path } = parseMetadataPath(key, new Set(), at);
      return metadataField(object, path);
    },
    elementsOf: () => undefined,
  };
}

function parseObject<L>(value: unknown, subject: Subject<L>, depth: number, path: string): Tree<L> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw problem(path, `must be an object of conditions, not ${shown(value)}.`);
  }
  return allOf(
    Object.entries(value).map(([key, inner]) =>
      parseEntry(key, inner, subject, depth, memberPath(path, key)),
    ),
  );
}

function parseEntry<L>(key: string, value: unknown, subject: Subject<L>, depth: number, at: string): Tree<L> {
  const { reading } = subject;
  switch (key) {
    case "and":
      return allOf(parseList(value, subject, deeper(depth, at), at));
    case "or":
      return anyOf(parseList(value, subject, deeper(depth, at), at));
    case "not":
      return complement(parseObject(value, subject, deeper(depth, at), at));
  }
  const elements = subject.elementsOf(key);
  if (elements) {
    const before = reading.counted();
    const inside = ofElements(key, elements.object, reading);
    const where = parseObject(value, inside, deeper(depth, at), at);
    // Whether there is an element at all is a condition too.
    if (reading.counted() === before) reading.count(at);
    return isEmpty(where, "or") ? NOBODY : elements.holds(where);
  }
  const field = subject.fieldOf(key, at);
  if (field) return parseAsked(field, value, at, reading);
  throw problem(at, `is not ${subject.what}: ${shown(key)}. ${nearest(key, subject.names)}`);
}

function deeper(depth: number, at: string): number {
  if (depth < MOST_DEPTH) return depth + 1;
  throw problem(
    at,
    `is too deep: and, or, not and objects such as membership stand at most ${MOST_DEPTH} deep inside each other.`,
  );
}

function parseList<L>(value: unknown, subject: Subject<L>, depth: number, path: string): Tree<L>[] {
  if (!Array.isArray(value)) throw problem(path, `must be an array of filters, not ${shown(value)}.`);
  return value.map((item, n) => parseObject(item, subject, depth, itemPath(path, n)));
}
