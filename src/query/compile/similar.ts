import { foldedText } from "../../lib/text.js";
import { COLUMNS, type Column } from "../columns.js";
import type { TermField } from "../condition.js";
import { type Context, speakOf } from "./context.js";
import { idsIn, PARTS, type Part } from "./trigrams.js";

/** What a text must be similar by, at least. Every connection has it as the limit of the operator `<%` too (`session.ts`). */
const LEAST_SIMILAR = 0.5;

/**
 * Found by the trigrams of a column that has more than the field, then compared with the field's own values, one by one: what
 * spans two of them is similar to neither.
 */
export function similar(field: TermField, value: string, context: Context): string {
  const { notes, params, search } = context;
  const { trigramSchema, lettersBeyondAscii } = search.statistics;
  const text = foldedText(value);
  const of = OF_FIELDS[field];
  if (!of) throw new TypeError(`${field} is never asked to be similar`);
  // Without a letter there is no trigram. Their index would be read from end to end.
  if (!(lettersBeyondAscii ? /[\p{L}\p{N}]/u : /[a-z0-9]/).test(text)) return "false";
  const sought = `${params.add(text)}::text`;
  const similarTo = (sql: string) => `${trigramSchema}.word_similarity(${sought}, ${sql})`;
  if (isFoundByNames(field, context)) return amongNames(field, similarTo, context);
  const similarity = of.similarity(similarTo);
  notes.similarities.push(similarity);
  speakOf(COLUMNS.search, context);
  const found = of.foundBy((sql) => `${sought} operator(${trigramSchema}.<%) ${sql}`);
  return `${found} and ${similarity} >= ${LEAST_SIMILAR}`;
}

type Name = "first_name" | "last_name";

/**
 * Up to so many different names, looking at each of them once is faster than at all users with the same trigrams: at a million users
 * with 3,000 names 30 ms instead of 60 to 330.
 */
const MOST_NAMES = 10_000;

const isFoundByNames = (field: TermField, { search, mustHold }: Context): field is Name =>
  (field === "first_name" || field === "last_name") &&
  mustHold &&
  search.gather === true &&
  search.statistics.distinctNames[field] <= MOST_NAMES;

/** The index of names is read from each name to the next one. */
function amongNames(field: Name, similarTo: (sql: string) => string, context: Context): string {
  const { notes } = context;
  const own = speakOf(COLUMNS[field], context);
  const name = `similar${notes.joins.length}`;
  const key = own.replace("n.", "d.");
  const next = (condition: string) =>
    `select ${key} from mirror_data.user_names d where ${key} ${condition} order by 1 limit 1`;
  notes.joins.push(`join (
    with recursive names(name) as (
      (${next("is not null")})
      union all
      select (${next("> names.name")}) from names where names.name is not null)
    select name, ${similarTo("name")} as similarity from names where name is not null offset 0
  ) as ${name} on ${name}.name = ${own}`);
  notes.similarities.push(`${name}.similarity`);
  return `${name}.similarity >= ${LEAST_SIMILAR}`;
}

interface Similar {
  /** What the trigram indexes know, from how a column is asked whether it may be similar. */
  foundBy: (mayBe: (sql: string) => string) => string;
  similarity: (to: (sql: string) => string) => string;
}

const byIdentifiers: Similar["foundBy"] = (mayBe) => mayBe(COLUMNS.identifiers.sql);
const among =
  (parts: readonly Part[]): Similar["foundBy"] =>
  (mayBe) =>
    `s.id in (${idsIn(parts, mayBe)})`;
const byNames = among(PARTS.name);

const one = ({ sql }: Column, foundBy: Similar["foundBy"]): Similar => ({
  foundBy,
  similarity: (to) => to(sql),
});

const OF_FIELDS: Partial<Record<TermField, Similar>> = {
  any: {
    // Gathered, since many ids may be alike: where all are, comparing each user with each of them would never end.
    foundBy: among(PARTS.any),
    similarity: (to) => `(select max(${to("v")}) from unnest(string_to_array(s.search, E'\\n')) as v)`,
  },
  // Both names with a space between have either as a part, and are at least as similar.
  name: one(COLUMNS.name, byNames),
  username: one(COLUMNS.username, byIdentifiers),
  first_name: one({ ...COLUMNS.first_name, sql: COLUMNS.first_name.beside }, byNames),
  last_name: one({ ...COLUMNS.last_name, sql: COLUMNS.last_name.beside }, byNames),
  email: {
    foundBy: byIdentifiers,
    similarity: (to) => `(select max(${to("i.folded")}) from mirror_data.user_identifiers i
      where i.user_id = s.id and i.kind = 'email')`,
  },
};
