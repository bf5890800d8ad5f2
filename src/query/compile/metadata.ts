import { foldedText, sqlText } from "../../lib/text.js";
import type { Metadata, MetadataObject, MetadataTest } from "../condition.js";
import type { Parameters } from "../parameters.js";
import { BOUNDS, type Context } from "./context.js";
import { foldedFor, hasText } from "./folding.js";

/** Of a user; memberships have a column of their own. */
const METADATA_COLUMNS: Record<MetadataObject, string> = {
  public: "m.public_metadata",
  unsafe: "m.unsafe_metadata",
  private: "m.private_metadata",
};

export function userMetadata(condition: Metadata, context: Context): string {
  context.notes.tables.add("metadata");
  return metadata(condition, METADATA_COLUMNS[condition.object], context);
}

/**
 * To estimate how many users a comparison keeps, Postgres tries it on a thousand or two sampled values, and nothing interrupts it
 * meanwhile: a millisecond for a containment, some ten for a pattern. A filter may have 200 conditions of 1,000 values each.
 */
const MOST_ESTIMATED = 100;
const COST_OF_PATTERN = 10;

/**
 * True where the test holds; false or null where it doesn't. Beyond what may be estimated it is hidden from the planner, which takes
 * half of all users to meet it then.
 */
export function metadata(condition: Metadata, column: string, context: Context): string {
  const { notes } = context;
  notes.size++;
  notes.estimating += costOfEstimate(condition.test);
  const sql = compared(condition, column, context.params);
  return notes.estimating > MOST_ESTIMATED ? `coalesce(${sql}, false)` : sql;
}

const costOfEstimate = (test: MetadataTest) =>
  test.operator === "in" || test.operator === "has" ? test.values.length : COST_OF_PATTERN;

function compared({ path, test }: Metadata, column: string, params: Parameters): string {
  switch (test.operator) {
    case "in":
      return contains(
        column,
        test.values.map((value) => nested(path, value)),
        params,
      );
    case "has":
      return contains(
        column,
        test.values.map((value) => nested(path, [value])),
        params,
      );
    case "present":
      return meets(column, path, "@ != null", params);
    case "contains":
    case "prefix":
    case "suffix":
      return hasFoldedText(column, path, test, params);
    default:
      return meets(column, path, `@ ${BOUNDS[test.operator]} ${printed(test.value)}`, params);
  }
}

/** By containment, which an index knows. A value is contained in itself alone, an array with one value in all that have it. */
function contains(column: string, objects: readonly string[], params: Parameters): string {
  const [only] = objects;
  return objects.length === 1 && only !== undefined
    ? `${column} @> ${params.json(only)}`
    : `${column} @> any(${params.jsons(objects)})`;
}

const nested = (path: readonly string[], value: unknown): string =>
  path.reduceRight((inner, key) => `{${printed(key)}:${inner}}`, printed(value));

/** As JSON, and as a literal of a path: their texts are escaped alike. */
function printed(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(printed).join(",")}]`;
  return JSON.stringify(typeof value === "string" ? sqlText(value) : value);
}

/**
 * Whether there is a value for which the predicate is true. Strict, because otherwise arrays would be looked into. `#> '{}'` is the
 * same object; it hides the column from its index, which would be read from end to end for what it doesn't know, and has
 * statistics of its own, by which Postgres knows how many users such a condition keeps.
 */
const meets = (column: string, path: readonly string[], predicate: string, params: Parameters) =>
  `(${column} #> '{}') @? ${params.jsonPath(`${pathTo(path)} ? (${predicate})`)}`;

/** Through objects alone: `#>` would take a key of digits for a place in an array. Null where the path leads nowhere. */
export function metadataAt(
  { object, path }: { object: MetadataObject; path: readonly string[] },
  params: Parameters,
): { value: string; text: string } {
  const keys = path.map((key) => `${params.add(sqlText(key))}::text`);
  const outer = [METADATA_COLUMNS[object], ...keys.slice(0, -1)].join(" -> ");
  return { value: `(${outer} -> ${keys.at(-1)})`, text: `(${outer} ->> ${keys.at(-1)})` };
}

/** Through objects alone. */
const pathTo = (path: readonly string[]) => `strict $${path.map((key) => `.${printed(key)}`).join("")}`;

type FoldedText = Extract<MetadataTest, { text: string }>;

/**
 * Compared as folded texts are, exactly. The pattern before it keeps all of them and perhaps more; by it Postgres knows about how
 * many there are. Where it holds, there is a text that the path reaches through objects alone.
 */
function hasFoldedText(
  column: string,
  path: readonly string[],
  { operator, text }: FoldedText,
  params: Parameters,
): string {
  const folded = foldedText(text);
  const pattern = roughPattern(operator, folded);
  const isText = pattern === null ? '@.type() == "string"' : `@ like_regex ${printed(pattern)}`;
  const value = `(${column} #>> ${params.texts(path.map(sqlText))})`;
  const exactly = hasText(`(${foldedFor(folded, value, params)})`, operator, folded, params);
  // Inside coalesce Postgres expects half of them to meet it, and not one of two hundred.
  return `${meets(column, path, isText, params)} and coalesce(${exactly}, false)`;
}

/** Long enough to tell texts apart. */
const LONGEST_PATTERN = 60;
/** Without the two to which Unicode makes other characters equal. */
const PLAIN_RUN = /[ -:<-_a-~]+/g;

/** A pattern that all texts with this one meet. It knows of ASCII alone. Null: there is nothing to go by. */
function roughPattern(how: FoldedText["operator"], folded: string): string | null {
  const runs = [...folded.matchAll(PLAIN_RUN)];
  const first = runs.find(({ index }) => index === 0)?.[0];
  const last = runs.find((run) => run.index + run[0].length === folded.length)?.[0];
  if (how === "prefix" && first) return `^${lettersOf(first.slice(0, LONGEST_PATTERN))}`;
  if (how === "suffix" && last) return `${lettersOf(last.slice(-LONGEST_PATTERN))}$`;
  const longest = runs.map(([run]) => run).reduce((a, b) => (b.length > a.length ? b : a), "");
  return longest === "" ? null : lettersOf(longest.slice(0, LONGEST_PATTERN));
}

/** Every spelling whose folding is this: also the Kelvin sign, and the i with a dot of its own. */
const lettersOf = (run: string) =>
  [...run].map((one) => (/[a-z]/.test(one) ? spellingsOf(one) : one.replace(/\W/, "\\$&"))).join("");

function spellingsOf(letter: string): string {
  const both = letter + letter.toUpperCase();
  if (letter === "i") return `[${both}\u0130]\u0307?`;
  return letter === "k" ? `[${both}\u212a]` : `[${both}]`;
}
