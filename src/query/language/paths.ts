import { demandScope, type Scope } from "../../auth/scopes.js";
import { keysIn } from "../../lib/key-path.js";
import { sqlText } from "../../lib/text.js";
import type { MetadataObject } from "../condition.js";
import { FIELD_NAMES, type FieldRef } from "../field.js";
import { nearest, problem, shown } from "./problems.js";

export interface MetadataPath {
  object: MetadataObject;
  path: readonly string[];
}

const OBJECTS = new Map<string, MetadataObject>([
  ["public_metadata", "public"],
  ["unsafe_metadata", "unsafe"],
  ["private_metadata", "private"],
]);
const MOST_KEYS = 100;

/** As far as a name's first dot: whether a metadata path was meant. */
export const speaksOfMetadata = (text: string) => OBJECTS.has(text.split(".", 1)[0] ?? "");

/**
 * `public_metadata.plan`, `public_metadata."a.b".c`: keys between dots; in quotes a key may have any characters, `\"` and `\\`
 * for these two. `at`: where it stands, for what is said of it. Throws `forbidden` where the scope for private metadata is missing.
 */
export function parseMetadataPath(text: string, scopes: ReadonlySet<Scope>, at: string): MetadataPath {
  const [name = ""] = text.split(".", 1);
  const object = OBJECTS.get(name);
  if (!object) throw problem(at, `has no metadata ${shown(name)}.`);
  if (object === "private") demandScope(scopes, "private_metadata:read");
  const path = text === name ? [] : keysOf(text, name.length + 1, at);
  if (path.length === 0) {
    throw problem(at, `must say which value of the metadata is meant, as ${name}.plan does.`);
  }
  return { object, path };
}

/** The keys from here on. There is one at least, since a dot stands before. */
function keysOf(text: string, from: number, at: string): string[] {
  const read = keysIn(text, from);
  if (!("keys" in read)) {
    throw problem(
      at,
      `has no key of metadata at character ${read.wrongAt + 1} of ${shown(text)}. A key that is empty or has dots or quotes in it stands in quotes: public_metadata."a.b" (\\" and \\\\ inside).`,
    );
  }
  if (read.keys.length > MOST_KEYS) throw problem(at, `must have at most ${MOST_KEYS} keys in its path.`);
  return read.keys.map(sqlText);
}

/** A field as orders, groups and projections name it. */
export function parseFieldRef(text: string, scopes: ReadonlySet<Scope>, at: string): FieldRef {
  if (speaksOfMetadata(text)) return { kind: "metadata", ...parseMetadataPath(text, scopes, at), text };
  const name = FIELD_NAMES.find((known) => known === text);
  if (name) return { kind: "field", name };
  throw problem(at, `names no field: ${shown(text)}. ${nearest(text, REFERABLE)}`);
}

const REFERABLE = [...FIELD_NAMES, ...[...OBJECTS.keys()].map((name) => `${name}.<path>`)];

/** The path as callers may write it, each key in quotes that needs them. */
export const pathText = (object: MetadataObject, path: readonly string[]): string =>
  [`${object}_metadata`, ...path.map((key) => (BARE_KEY.test(key) ? key : quoted(key)))].join(".");

const BARE_KEY = /^[^."\\,]+$/;
const quoted = (key: string) => `"${key.replace(/["\\]/g, "\\$&")}"`;
