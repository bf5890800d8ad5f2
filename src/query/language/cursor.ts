import { hash } from "node:crypto";
import { isFlagField, isTimeField } from "../condition.js";
import type { OrderKey } from "../field.js";
import { problem } from "./problems.js";

export type KeyValue = string | number | boolean | null;

/** Where a page begins, and what a walk keeps from its first page on. */
export interface Cursor {
  /** Of the filter, the orders and the fields that it goes on with. */
  binding: string;
  /** What `now` means for the whole walk. */
  nowMs: number;
  changesCursor: string;
  /** Of the user before the page, a value for each key of the order. */
  keys: readonly KeyValue[];
}

const VERSION = 1;
const MOST_CHARS = 256 * 1024;

/** Opaque to callers. */
export function cursorText({ binding, nowMs, changesCursor, keys }: Cursor): string {
  const content = JSON.stringify([VERSION, binding, nowMs, changesCursor, keys]);
  const encoded = Buffer.from(content).toString("base64url");
  return `${encoded}.${digest(encoded)}`;
}

/**
 * Throws `invalid_request` for a text that isn't a cursor. The digest in it finds what was cut off or mistyped. It is no secret:
 * whoever makes a cursor sees no more by it than by a filter.
 */
export function parseCursor(text: string, path: string): Cursor {
  const [encoded = "", given, ...rest] = text.length <= MOST_CHARS ? text.split(".", 3) : [];
  if (given === undefined || rest.length > 0 || given !== digest(encoded)) throw notOne(path);
  const cursor = cursorOf(Buffer.from(encoded, "base64url").toString());
  if (!cursor || cursorText(cursor) !== text) throw notOne(path);
  return cursor;
}

function cursorOf(content: string): Cursor | null {
  try {
    const [version, binding, nowMs, changesCursor, keys] = JSON.parse(content);
    const isOne =
      version === VERSION &&
      typeof binding === "string" &&
      Number.isSafeInteger(nowMs) &&
      isText(changesCursor) &&
      Array.isArray(keys);
    return isOne ? { binding, nowMs, changesCursor, keys } : null;
  } catch {
    return null;
  }
}

/** Throws `invalid_request` unless the cursor belongs to these filter, orders and fields. */
export function demandBinding(
  { binding, keys }: Cursor,
  wanted: string,
  orders: readonly OrderKey[],
  path: string,
): void {
  if (binding !== wanted) {
    throw problem(
      path,
      "belongs to another filter, order_by or fields. Go on with those of the page that gave it, or begin anew.",
    );
  }
  const fits = keys.length === orders.length && orders.every((order, n) => isValueOf(order, keys[n]));
  if (!fits) throw notOne(path);
}

/** Whether Postgres can compare it with the values of this key. */
function isValueOf({ by }: OrderKey, value: unknown): boolean {
  if (by === "score") return Number.isFinite(value);
  if (by.kind === "metadata") {
    return value === null || typeof value === "boolean" || Number.isFinite(value) || isText(value);
  }
  if (isFlagField(by.name)) return typeof value === "boolean";
  if (isTimeField(by.name)) return value === null || Number.isSafeInteger(value);
  return isText(value) || (value === null && by.name !== "id");
}

const isText = (value: unknown): value is string =>
  typeof value === "string" && value.isWellFormed() && !value.includes("\0");

const notOne = (path: string) => problem(path, "must be a cursor that the mirror has given out.");

/** The same for the same JSON values, however their members are ordered. They are as deep as a filter that was accepted. */
export const bindingOf = (...values: readonly unknown[]): string => digest(canonical(values));

function canonical(value: unknown): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  const members = Object.entries(value).map(([key, inner]) => `${JSON.stringify(key)}:${canonical(inner)}`);
  return `{${members.sort().join(",")}}`;
}

const digest = (text: string) => hash("sha256", text, "base64url").slice(0, 22);
