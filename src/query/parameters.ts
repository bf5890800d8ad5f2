import { plainArray, textArray } from "../db/connection/bulk.js";

/** Values of a statement, in the order of their `$n`. */
export class Parameters {
  readonly values: (string | number | boolean)[] = [];

  add(value: string | number | boolean): string {
    this.values.push(value);
    return `$${this.values.length}`;
  }

  /** As a literal, which needs no type known to the driver. */
  texts(values: readonly string[]): string {
    return `${this.add(textArray(values))}::text::text[]`;
  }

  integers(values: readonly number[]): string {
    return `${this.add(plainArray(values))}::text::bigint[]`;
  }

  /** As a text that Postgres reads: the driver would print it as JSON a second time. */
  jsons(values: readonly string[]): string {
    return `${this.add(textArray(values))}::text::jsonb[]`;
  }

  json(text: string): string {
    return `${this.add(text)}::text::jsonb`;
  }

  jsonPath(text: string): string {
    return `${this.add(text)}::text::jsonpath`;
  }
}
