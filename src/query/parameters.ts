import { textArray } from "../db/connection/bulk.js";

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
}
