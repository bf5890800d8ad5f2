import { SCOPES } from "../../auth/scopes.js";
import { AppError } from "../../lib/errors.js";
import { allOf, anyOf, complement, isEmpty, NOBODY, type Tree } from "./algebra.js";
import { parseMetadataPath, speaksOfMetadata } from "./paths.js";
import { type FilterObject, scimFilter } from "./scim.js";
import { ELEMENT_SPELLINGS, type Spellings, USER_SPELLINGS } from "./scim-attributes.js";

/** `inexpressible`: why SCIM can't say it, as a sentence. */
export type ScimText = { text: string } | { inexpressible: string };

/**
 * A JSON filter as the SCIM filter that says the same: `scimFilter` reads it back to the same conditions. The filter must be one
 * that `parseFilter` accepts. Everybody is the empty text, which stands for no filter at all.
 */
export function scimText(filter: FilterObject): ScimText {
  try {
    const whole = treeOf(filter, USER_SPELLINGS);
    if (isEmpty(whole, "and")) return { text: "" };
    const text = printed(whole, "id");
    // Its limits are SCIM's own: what JSON says side by side can be too deep or too long as SCIM.
    scimFilter(text);
    return { text };
  } catch (error) {
    if (error instanceof Inexpressible) return { inexpressible: error.message };
    if (error instanceof AppError) return { inexpressible: `SCIM can't say this: ${error.longMessage}` };
    throw error;
  }
}

class Inexpressible extends Error {}

/** One condition, as text. */
interface Said {
  kind: "said";
  text: string;
}

function treeOf(filter: FilterObject, spellings: Spellings): Tree<Said> {
  return allOf(Object.entries(filter).map(([key, value]) => entryOf(key, value, spellings)));
}

function entryOf(key: string, value: unknown, spellings: Spellings): Tree<Said> {
  switch (key) {
    case "and":
      return allOf((value as FilterObject[]).map((inner) => treeOf(inner, spellings)));
    case "or":
      return anyOf((value as FilterObject[]).map((inner) => treeOf(inner, spellings)));
    case "not":
      return complement(treeOf(value as FilterObject, spellings));
  }
  const element = spellings === USER_SPELLINGS ? ELEMENT_SPELLINGS.get(key) : undefined;
  if (element) {
    const where = treeOf(value as FilterObject, element.names);
    if (isEmpty(where, "or")) return NOBODY;
    return said(`${element.list}[${printed(where, element.key)}]`);
  }
  const { name, isOpposite } = spellings.get(key) ?? { name: pathOf(key), isOpposite: false };
  const own = (given: unknown) => (isOpposite && typeof given === "boolean" ? !given : given);
  return askedOf(name, value, own);
}

function askedOf(name: string, asked: unknown, own: (given: unknown) => unknown): Tree<Said> {
  const literal = (value: unknown) => JSON.stringify(own(value));
  const among = (values: unknown) =>
    said(`${name} in [${(values as unknown[]).map((value) => literal(value)).join(", ")}]`);
  if (Array.isArray(asked)) return among(asked);
  if (typeof asked !== "object" || asked === null) return said(`${name} eq ${literal(asked)}`);
  return allOf(
    Object.entries(asked).map(([operator, value]): Tree<Said> => {
      switch (operator) {
        case "in":
          return among(value);
        case "nin":
          return complement(among(value));
        case "exists":
          return value ? said(`${name} pr`) : complement(said(`${name} pr`));
        case "similar":
          throw new Inexpressible("SCIM has no operator for similar texts.");
      }
      return said(`${name} ${COMPARISONS[operator as keyof typeof COMPARISONS]} ${literal(value)}`);
    }),
  );
}

const COMPARISONS = {
  eq: "eq",
  ne: "ne",
  contains: "co",
  prefix: "sw",
  suffix: "ew",
  gt: "gt",
  gte: "ge",
  lt: "lt",
  lte: "le",
} as const;

const said = (text: string): Said => ({ kind: "said", text });

/** `always`: a name whose value everybody and nobody can be spoken of by. */
function printed(tree: Tree<Said>, always: string): string {
  if (isEmpty(tree, "or")) return `${always} in []`;
  if (isEmpty(tree, "and")) return `not (${printed(NOBODY, always)})`;
  switch (tree.kind) {
    case "said":
      return tree.text;
    case "not":
      return `not (${printed(tree.condition, always)})`;
    case "and":
      return tree.all.map((part) => enclosed(part, always, ["and", "or"])).join(" and ");
    case "or":
      return tree.any.map((part) => enclosed(part, always, ["or"])).join(" or ");
  }
}

function enclosed(part: Tree<Said>, always: string, weaker: readonly string[]): string {
  const text = printed(part, always);
  return weaker.includes(part.kind) ? `(${text})` : text;
}

/** A name of the mirror's own, or a path, in which more keys need quotes than in JSON. */
function pathOf(key: string): string {
  if (!speaksOfMetadata(key)) return key;
  const { object, path } = parseMetadataPath(key, ALL_SCOPES, "filter");
  const keys = path.map((each) => (BARE.test(each) ? each : `"${each.replace(/["\\]/g, "\\$&")}"`));
  return [`${object}_metadata`, ...keys].join(".");
}

const ALL_SCOPES = new Set(SCOPES);
const BARE = /^[^\s()[\]",.\\]+$/u;
