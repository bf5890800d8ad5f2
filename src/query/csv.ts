import type { Projected } from "./field.js";
import type { RawRow, View } from "./present.js";
import { type Column, columnsOf, userOf, valuesOf } from "./project.js";

/** What a spreadsheet of users has where the caller names no fields. */
export const CSV_FIELDS: readonly Projected[] = [
  { kind: "member", name: "id" },
  { kind: "member", name: "external_id" },
  { kind: "member", name: "username" },
  { kind: "member", name: "first_name" },
  { kind: "member", name: "last_name" },
  { kind: "field", name: "email_address" },
  { kind: "field", name: "phone_number" },
  { kind: "member", name: "created_at" },
  { kind: "member", name: "last_sign_in_at" },
  { kind: "member", name: "last_active_at" },
  { kind: "member", name: "banned" },
];

/** Users as CSV (RFC 4180), a record each. */
export interface Csv {
  header: string;
  /** Of a row whose columns are those of `shownColumns`, beginning at index `at`. */
  record(row: RawRow, at?: number): string;
}

export function createCsv(fields: readonly Projected[], view: View, nowMs: number): Csv {
  const columns = columnsOf(fields);
  return {
    header: recordOf(columns.map(({ name }) => name)),
    record(row, at) {
      const values = valuesOf(columns, userOf(row, view, nowMs, at));
      return recordOf(values.map((value, n) => textOf(value, columns[n] as Column)));
    },
  };
}

/** A record of a single empty field is spelled out: it would be an empty line, which many readers skip. */
function recordOf(fields: readonly string[]): string {
  return fields.length === 1 && fields[0] === "" ? '""\r\n' : `${fields.map(quoted).join(",")}\r\n`;
}

const quoted = (field: string) => (/[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field);

function textOf(value: unknown, { isTime }: Column): string {
  if (value === null) return "";
  if (typeof value === "string") return guarded(value);
  if (isTime && typeof value === "number") return timeText(value);
  return JSON.stringify(value);
}

/** A spreadsheet takes a text that begins like this for a formula, and whoever signs up chooses their own name. */
function guarded(text: string): string {
  return /^[=@\t\r]/.test(text) || (/^[+-]/.test(text) && !NUMBER.test(text)) ? `'${text}` : text;
}

/** A telephone number is one too. */
const NUMBER = /^[+-](\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i;

const MAX_TIME_MS = 8.64e15;

/** In ISO 8601, or as it is where no date is so far away. */
export const timeText = (ms: number) =>
  Math.abs(ms) <= MAX_TIME_MS ? new Date(ms).toISOString() : String(ms);
