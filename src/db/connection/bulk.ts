/**
 * One member of each row. A loop: V8 forgets what it has compiled of a function with each collection after which none of its
 * kind is alive, and would compile callbacks that are made for each batch again all the time.
 */
export function membersOf<T, K extends keyof T>(rows: readonly T[], name: K): T[K][] {
  const values: T[K][] = [];
  for (const row of rows) values.push(row[name]);
  return values;
}

/**
 * Values as a Postgres array literal. A batch is sent as one array per column through `unnest`, so that the statement
 * has the same text however many rows there are, and stays prepared. Send it as `${textArray(values)}::text::text[]`.
 */
export function textArray(values: readonly (string | null)[]): string {
  return `{${values.map(textElement).join(",")}}`;
}

const textElement = (value: string | null) => (value === null ? "NULL" : quote(value));

/** The same for numbers and booleans: `${plainArray(values)}::text::bigint[]`. */
export function plainArray(values: readonly (number | boolean | null)[]): string {
  return `{${values.map(plainElement).join(",")}}`;
}

const plainElement = (value: number | boolean | null) => (value === null ? "NULL" : String(value));

/** JSON texts contain no control characters, so one of these can separate the values and nothing needs escaping. */
const SEPARATOR = "\u001f";

/**
 * JSON texts for a column of a batch, at a tenth of what escaping their quotes costs: send it as
 * `string_to_array(${jsonTexts(values)}::text, E'\\x1f', '')`, where an empty text becomes null.
 */
export function jsonTexts(values: readonly (string | null)[]): string {
  return values.map(orEmpty).join(SEPARATOR);
}

const orEmpty = (value: string | null) => value ?? "";

const SPECIAL = /[\\\n\r\t]/;
const ESCAPED: Readonly<Record<string, string>> = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** A text as a field of what `COPY` reads; null is `\N`. */
export function copyField(value: string): string {
  return SPECIAL.test(value) ? value.replace(/[\\\n\r\t]/g, (one) => ESCAPED[one] ?? one) : value;
}

/** Few values have anything to escape, and looking for it costs a third of replacing nothing. */
function quote(value: string): string {
  const isPlain = !value.includes('"') && !value.includes("\\");
  return isPlain ? `"${value}"` : `"${value.replace(/["\\]/g, "\\$&")}"`;
}
