/**
 * Values as a Postgres array literal. Batches go as one array per column through `unnest`: one statement text however
 * many rows, so that it stays prepared. Send it as `${textArray(values)}::text::text[]`.
 */
export function textArray(values: readonly (string | null)[]): string {
  return `{${values.map((value) => (value === null ? "NULL" : quote(value))).join(",")}}`;
}

/** The same for numbers and booleans: `${plainArray(values)}::text::bigint[]`. */
export function plainArray(values: readonly (number | boolean | null)[]): string {
  return `{${values.map((value) => (value === null ? "NULL" : String(value))).join(",")}}`;
}

function quote(value: string): string {
  return `"${value.replace(/["\\]/g, "\\$&")}"`;
}
