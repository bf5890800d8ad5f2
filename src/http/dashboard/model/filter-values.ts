import type { Field } from "../../../query/language/catalogue.js";

/** What a field holds, which decides how a value of it is written. */
export type ValueKind = Field<unknown>["type"];

const JSON_SCALAR = /^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)$/;
const WHOLE_NUMBER = /^-?\d+$/;

/**
 * What somebody wrote into the box of a value, as it stands in a filter. Plain text is a text; in JSON's quotes it may begin or
 * end with spaces, or be empty. In metadata, `5`, `true` and `null` are what JSON makes of them, and `"5"` is a text. Never throws:
 * what isn't a value is left as it was written, for the filter's parser to refuse.
 */
export function parseValue(written: string, kind: ValueKind): unknown {
  const text = written.trim();
  if (text.startsWith('"')) return unquoted(text);
  if (kind === "flag") return text === "true" || (text === "false" ? false : text);
  if (kind === "time") return WHOLE_NUMBER.test(text) ? Number(text) : text;
  return kind === "metadata" && JSON_SCALAR.test(text) ? JSON.parse(text) : text;
}

/** What `parseValue` makes this value of. It has no line breaks, which no text box keeps. */
export function printValue(value: unknown, kind: ValueKind): string {
  if (typeof value !== "string") return JSON.stringify(value);
  const isPlain =
    value !== "" && value.trim() === value && !UNSAFE.test(value) && parseValue(value, kind) === value;
  return isPlain ? value : JSON.stringify(value);
}

/** A quote in front, line breaks, and what no address can hold. */
const UNSAFE = /^"|[\r\n]|\p{Surrogate}/u;

/** Several values, separated by commas; one with a comma in it stands in quotes. */
export const parseValues = (written: string, kind: ValueKind): unknown[] =>
  [...`${written},`.matchAll(ITEM)].flatMap(([, item = ""]) =>
    item.trim() === "" ? [] : [parseValue(item, kind)],
  );

export const printValues = (values: readonly unknown[], kind: ValueKind): string =>
  values
    .map((value) => {
      const printed = printValue(value, kind);
      return printed.includes(",") && !printed.startsWith('"') ? JSON.stringify(printed) : printed;
    })
    .join(", ");

/** Up to the next comma outside quotes, with the spaces around it: told apart here, long runs of them would take seconds. */
const ITEM = /(\s*"(?:[^"\\]|\\.)*"\s*(?=,)|[^,]*),/gs;

function unquoted(text: string): string {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "string" ? value : text;
  } catch {
    return text;
  }
}
