import { randomUUID } from "node:crypto";
import { createPause, LARGE_BYTES, nextTurn } from "./turns.js";

/** Where the value of an object's member, or of an array's element (`key` null), is in the text. */
interface Child {
  key: string | null;
  from: number;
  to: number;
}

/** The outer structure of a JSON text, found without parsing it. */
export interface Skimmed {
  /** Its members or elements; null when the text is neither an object nor an array, or isn't JSON. */
  children: Child[] | null;
  isArray: boolean;
  /** The number of objects and arrays in it at all levels, and the sum of their depths. */
  containers: number;
  depths: number;
}

const [QUOTE, BACKSLASH, COMMA, COLON] = [0x22, 0x5c, 0x2c, 0x3a];
const [ARRAY, ARRAY_END, OBJECT, OBJECT_END] = [0x5b, 0x5d, 0x7b, 0x7d];
const BYTES_PER_PART = 1024 * 1024;

/**
 * Goes over the bytes once, which takes a tenth of the time of parsing them. It doesn't check that they are valid JSON:
 * that is found out when a child is parsed.
 */
export async function skim(json: Buffer): Promise<Skimmed> {
  const start = skipSpace(json, 0);
  const isArray = json[start] === ARRAY;
  const other: Skimmed = { children: null, isArray, containers: 0, depths: 0 };
  if (!isArray && json[start] !== OBJECT) return other;
  const pause = createPause();
  const children: Child[] = [];
  let [depth, containers, depths] = [0, 0, 0];
  let [from, colon] = [start + 1, -1];
  for (let at = start, part = start; at < json.length; at++) {
    if (at - part > BYTES_PER_PART) {
      await pause();
      part = at;
    }
    switch (json[at]) {
      case QUOTE:
        at = endOfString(json, at);
        break;
      case ARRAY:
      case OBJECT:
        depth++;
        containers++;
        depths += depth;
        break;
      case COLON:
        if (depth === 1 && colon === -1) colon = at;
        break;
      case COMMA:
        if (depth !== 1) break;
        children.push(childOf(json, from, colon, at));
        [from, colon] = [at + 1, -1];
        break;
      case ARRAY_END:
      case OBJECT_END:
        if (--depth > 0) break;
        if (json[at] !== (isArray ? ARRAY_END : OBJECT_END)) return other;
        if (skipSpace(json, at + 1) < json.length) return other;
        if (skipSpace(json, from) < at || children.length > 0) children.push(childOf(json, from, colon, at));
        return { children, isArray, containers, depths };
    }
  }
  return other;
}

function childOf(json: Buffer, from: number, colon: number, to: number): Child {
  if (colon === -1) return { key: null, from, to };
  return { key: json.toString("utf8", from, colon).trim(), from: colon + 1, to };
}

function skipSpace(json: Buffer, from: number): number {
  let at = from;
  while (at < json.length && (json[at] as number) <= 0x20) at++;
  return at;
}

/** The place of the closing quote of the string that begins at `from`. */
function endOfString(json: Buffer, from: number): number {
  for (let at = from + 1; at < json.length; at++) {
    if (json[at] === QUOTE) return at;
    if (json[at] === BACKSLASH) at++;
  }
  return json.length;
}

/**
 * Parses a body. A large list, bare or in Clerk's envelope, is parsed in parts, so that other requests get their turn during
 * a page of megabytes. Throws `SyntaxError` when the body isn't JSON.
 */
export async function parseInParts(json: Buffer): Promise<unknown> {
  if (json.length <= LARGE_BYTES) return JSON.parse(json.toString("utf8"));
  await nextTurn();
  const { children, isArray } = await skim(json);
  if (children && isArray) return parseElements(json, children);
  const lists = children?.filter(({ key }) => key === '"data"') ?? [];
  const [list] = lists;
  if (!children || !list || lists.length > 1) return JSON.parse(json.toString("utf8"));
  // The members around the list, and the list in its place.
  const around = Buffer.concat([json.subarray(0, list.from), Buffer.from("null"), json.subarray(list.to)]);
  const envelope = JSON.parse(around.toString("utf8"));
  envelope.data = await parseInParts(json.subarray(list.from, list.to));
  return envelope;
}

/** Parses as many neighbours at once as fit into a part, since most elements are small. */
async function parseElements(json: Buffer, elements: readonly Child[]): Promise<unknown[]> {
  const pause = createPause();
  const values: unknown[] = [];
  for (let n = 0; n < elements.length; ) {
    const first = elements[n] as Child;
    let last = first;
    for (n++; n < elements.length; n++) {
      const next = elements[n] as Child;
      if (next.to - first.from > LARGE_BYTES) break;
      last = next;
    }
    const part: unknown[] = JSON.parse(`[${json.toString("utf8", first.from, last.to)}]`);
    for (const value of part) values.push(value);
    // The array has an element without a value, which was alone in its part.
    if (values.length < n) throw new SyntaxError("An element of the array is missing.");
    await pause();
  }
  return values;
}

/** Takes the place of the list in an envelope. It is random, so no answer can contain it. */
const LIST = randomUUID();

/** Prints what `shape` makes of the value as JSON. The elements of a list are shaped and printed one by one, with pauses. */
export async function printInParts(value: unknown, shape: (value: unknown) => unknown): Promise<Buffer> {
  if (Array.isArray(value)) return Buffer.concat(await printElements(value, shape));
  const list = value !== null && typeof value === "object" && "data" in value ? value.data : null;
  if (!Array.isArray(list)) return Buffer.from(JSON.stringify(shape(value)));
  const around = JSON.stringify(shape({ ...(value as object), data: LIST }));
  const [before = "", after = ""] = around.split(`"${LIST}"`);
  return Buffer.concat([Buffer.from(before), ...(await printElements(list, shape)), Buffer.from(after)]);
}

async function printElements(
  list: readonly unknown[],
  shape: (value: unknown) => unknown,
): Promise<Buffer[]> {
  const pause = createPause();
  const pieces: Buffer[] = [];
  for (const [n, element] of list.entries()) {
    pieces.push(Buffer.from(`${n === 0 ? "[" : ","}${JSON.stringify(shape(element))}`));
    await pause();
  }
  pieces.push(Buffer.from(list.length === 0 ? "[]" : "]"));
  return pieces;
}

/**
 * Whether two values from JSON are printed alike: the order of members counts. Uses one stack frame for each level of nesting:
 * users can nest 4,000 arrays in the 8 KB that Clerk allows for metadata.
 */
export function isSameJson(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return false;
  if (Array.isArray(one) !== Array.isArray(other)) return false;
  const [names, others] = [Object.keys(one), Object.keys(other)];
  if (names.length !== others.length) return false;
  for (let n = 0; n < names.length; n++) {
    const name = names[n] as string;
    if (name !== others[n]) return false;
    if (!isSameJson((one as Json)[name], (other as Json)[name])) return false;
  }
  return true;
}

type Json = Record<string, unknown>;
