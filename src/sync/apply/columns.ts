import { copyField, jsonTexts, membersOf, plainArray, textArray } from "../../db/connection/bulk.js";
import type { Pause } from "../../lib/turns.js";

/**
 * A column of a batch. The values of all rows are sent as one parameter, whatever their number: so each statement has one
 * text, which is made when the program starts and stays prepared.
 */
export interface Column<T> {
  /** The SQL array that the parameter becomes. */
  array(parameter: string): string;
  /** The values as that parameter. */
  encode(values: readonly T[]): string;
  /** What is stored, as SQL of the array's element. */
  stored(element: string): string;
  /** The value as a field of what `COPY` reads. */
  copied(value: T): string;
  /** What is selected, as SQL of the column's name. */
  loaded(name: string): string;
  /** What a tombstone has here. */
  readonly empty: T;
  /** False: never sent, and set to null by every update. */
  readonly isSent: boolean;
}

export type Columns = Readonly<Record<string, Column<unknown>>>;

/** A row of a table with these columns. */
export type RowOf<C extends Columns> = { -readonly [K in keyof C]: C[K]["empty"] };

const asIs = (sql: string) => sql;

export const text: Column<string> = {
  array: (parameter) => `${parameter}::text::text[]`,
  encode: textArray,
  copied: copyField,
  stored: asIs,
  loaded: asIs,
  empty: "",
  isSent: true,
};

/** `text` that holds JSON, which needs no escaping on its way, and for `COPY` only that of what is escaped in it. */
export const jsonText: Column<string> = {
  ...text,
  copied: (value) => (value.includes("\\") ? value.replaceAll("\\", "\\\\") : value),
  array: (parameter) => `string_to_array(${parameter}::text, E'\\x1f', '')`,
  encode: jsonTexts,
};

/** `jsonb`, as text on this side; `sent` says how the text travels. */
export const jsonb = (sent: Column<string>): Column<string> => ({
  ...sent,
  stored: (element) => `${element}::jsonb`,
  loaded: (name) => `${name}::text`,
});

/** `text[]` of texts without `\n`, on this side as one text with a value a line. */
export const lines: Column<string> = {
  ...text,
  stored: (element) => `string_to_array(${element}, E'\\n')`,
  copied: (value) => copyField(value === "" ? "{}" : textArray(value.split("\n"))),
};

/** `text[]` of any texts. */
export const texts: Column<readonly string[]> = {
  array: text.array,
  encode: (values) => textArray(values.map(textArray)),
  stored: (element) => `${element}::text[]`,
  copied: (value) => copyField(textArray(value)),
  loaded: asIs,
  empty: [],
  isSent: true,
};

const plain = <T extends number | boolean>(type: string, empty: T): Column<T> => ({
  array: (parameter) => `${parameter}::text::${type}[]`,
  encode: plainArray,
  copied: String,
  stored: asIs,
  loaded: asIs,
  empty,
  isSent: true,
});

export const bigint = plain<number>("bigint", 0);
export const integer = plain<number>("integer", 0);
export const smallint = plain<number>("smallint", 0);
export const boolean = plain<boolean>("boolean", false);

/** Not read with its row, where it is null. */
export const unread = <T>(column: Column<T>): Column<T> => ({
  ...column,
  loaded: (name) => `null::text as ${name}`,
});

export const nullable = <T>(column: Column<T>): Column<T | null> => ({ ...column, empty: null });

/** The parameters of a batch, one a column. */
export function encodeRows<C extends Columns>(columns: C, rows: readonly RowOf<C>[]): string[] {
  const parameters: string[] = [];
  for (const [name, column] of sentColumns(columns)) parameters.push(column.encode(membersOf(rows, name)));
  return parameters;
}

/** The same one column after another, for rows that may be ten thousand. */
export async function encodeRowsInParts<C extends Columns>(
  columns: C,
  rows: readonly RowOf<C>[],
  pause: Pause,
): Promise<string[]> {
  const parameters: string[] = [];
  for (const [name, column] of sentColumns(columns)) {
    parameters.push(column.encode(membersOf(rows, name)));
    await pause();
  }
  return parameters;
}

/** The rows of a batch as SQL, from the parameters that `encodeRows` makes: `unnest($1::text::text[], …)`. */
export function unnestRows(columns: Columns): string {
  return `unnest(${sentColumns(columns)
    .map(([, column], index) => column.array(`$${index + 1}`))
    .join(", ")})`;
}

export const sentColumns = (columns: Columns) => Object.entries(columns).filter(isSent);

const isSent = ([, column]: [string, Column<unknown>]) => column.isSent;
