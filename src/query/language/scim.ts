import { invalid } from "../clerk-params.js";
import { MOST_DEPTH } from "./json-filter.js";
import {
  type Attribute,
  type Attributes,
  attributeOf,
  LIST_NAMES,
  listOf,
  USER_ATTRIBUTES,
} from "./scim-attributes.js";
import { ScimReader } from "./scim-reader.js";

/** A filter as JSON. */
export type FilterObject = Readonly<Record<string, unknown>>;

const MOST_BYTES = 65_536;

/**
 * A SCIM 2.0 filter (RFC 7644 §3.4.2.2, and `in [...]`) as the JSON filter that says the same. Throws `invalid_request` about
 * `filter` where the text itself is wrong, with the position. What can be asked of a field isn't looked at here: the JSON
 * filter's parser says that for both.
 *
 * It takes time in proportion to the text. Open parentheses are kept in a list, so that no text exhausts the stack.
 */
export function scimFilter(text: string): FilterObject {
  if (Buffer.byteLength(text) > MOST_BYTES) throw invalid("filter", "filter takes at most 64 KiB.");
  const reader = new ScimReader(text);
  const outer: Group[] = [];
  let group = groupAt(0, USER_ATTRIBUTES, null, null);
  for (;;) {
    const inner = readCondition(reader, group);
    if (inner) {
      outer.push(group);
      group = inner;
      continue;
    }
    while (group.closedBy !== null && reader.takes(group.closedBy)) {
      const whole = wrapped(reader, group);
      group = outer.pop() as Group;
      group.all.push(whole);
    }
    if (group.closedBy === null && reader.isAtEnd()) return anyOf(reader, group).json;
    const word = reader.word();
    if (word === "or") {
      group.any.push(allOf(reader, group));
      group.all = [];
    } else if (word !== "and") {
      reader.fail(`and, or or ${group.closedBy ?? "the end"}`);
    }
  }
}

/** What stands between parentheses or brackets; the outermost is the whole text. */
interface Group {
  place: number;
  closedBy: ")" | "]" | null;
  /** It doesn't hold, or it holds of one element of this list. */
  within: string | null;
  attributes: Attributes;
  /** What has to hold since the last `or`. */
  all: Part[];
  /** What stood before each `or`. */
  any: Part[];
}

interface Part {
  json: FilterObject;
  /** Of and, or, not and lists. */
  depth: number;
}

const groupAt = (
  place: number,
  attributes: Attributes,
  closedBy: Group["closedBy"],
  within: Group["within"],
): Group => ({ place, attributes, closedBy, within, all: [], any: [] });

/** Reads a condition into the group. If a group within it begins here instead, that is the answer, and empty. */
function readCondition(reader: ScimReader, { attributes, all }: Group): Group | null {
  const place = reader.place();
  if (reader.takes("(")) return groupAt(place, attributes, ")", null);
  const name = reader.name();
  if (name.toLowerCase() === "not") {
    return reader.takes("(") ? groupAt(place, attributes, ")", "not") : reader.fail("( after not");
  }
  if (reader.takes("[")) {
    if (attributes !== USER_ATTRIBUTES) throw reader.wrong(place, "no value path stands inside another");
    const list = listOf(name);
    if (!list) throw reader.wrong(place, `only ${LIST_NAMES} stand before [`);
    return groupAt(place, list.attributes, "]", list.key);
  }
  const attribute = attributeOf(attributes, name);
  if (!attribute) throw reader.wrong(place, `there is no attribute ${name.slice(0, 100)} here`);
  all.push({ json: { [attribute.field]: testOf(reader, attribute) }, depth: 0 });
  return null;
}

function testOf(reader: ScimReader, { isOpposite }: Attribute): unknown {
  const own = (value: unknown) => (isOpposite && typeof value === "boolean" ? !value : value);
  const operator = reader.word();
  if (operator === "eq") return own(reader.literal());
  if (operator === "in") return reader.literals().map(own);
  if (operator === "pr") return { exists: true };
  const comparison = COMPARISONS.get(operator) ?? reader.fail("eq, ne, co, sw, ew, gt, ge, lt, le, pr or in");
  return { [comparison]: own(reader.literal()) };
}

const COMPARISONS: ReadonlyMap<string, string> = new Map([
  ["ne", "ne"],
  ["co", "contains"],
  ["sw", "prefix"],
  ["ew", "suffix"],
  ["gt", "gt"],
  ["ge", "gte"],
  ["lt", "lt"],
  ["le", "lte"],
]);

function wrapped(reader: ScimReader, group: Group): Part {
  const part = anyOf(reader, group);
  return group.within === null ? part : around(reader, group, { [group.within]: part.json }, [part]);
}

function anyOf(reader: ScimReader, group: Group): Part {
  const last = allOf(reader, group);
  if (group.any.length === 0) return last;
  const any = [...group.any, last];
  return around(reader, group, { or: any.map(({ json }) => json) }, any);
}

function allOf(reader: ScimReader, group: Group): Part {
  const [only, ...more] = group.all;
  if (only && more.length === 0) return only;
  return around(reader, group, { and: group.all.map(({ json }) => json) }, group.all);
}

/** Too deep is refused as it is built: whatever walks the filter afterwards has nothing to fear for the stack. */
function around(reader: ScimReader, { place }: Group, json: FilterObject, parts: readonly Part[]): Part {
  const depth = 1 + parts.reduce((most, part) => Math.max(most, part.depth), 0);
  if (depth <= MOST_DEPTH) return { json, depth };
  throw reader.wrong(place, `and, or, not and value paths stand at most ${MOST_DEPTH} deep in each other`);
}
