import { readFileSync } from "node:fs";
import { join } from "node:path";

type Json = Record<string, unknown>;

interface Schema {
  $ref?: string;
  allOf?: Schema[];
  oneOf?: Schema[];
  anyOf?: Schema[];
  properties?: Record<string, Schema>;
  items?: Schema;
}

const documents = ["src/http/openapi/clerk-users.json", "test/fixtures/webhooks.json"].map((file) =>
  JSON.parse(readFileSync(join(import.meta.dirname, "..", "..", file), "utf8")),
);

/** What a user may write as they like: a member of it that is called `private_metadata` is theirs. */
const OF_USERS = /^(public|unsafe|private)_metadata$/;

/**
 * Puts private metadata into an object of Clerk's: wherever either of its schemas has them, at whatever depth, and into
 * every other object in it, since the schemas are open. `value` is asked for each, with the place.
 */
export function plant(schema: string, object: Json, value: (place: string) => unknown): void {
  for (const document of documents) {
    const places = placesIn(document, { $ref: `#/components/schemas/${schema}` }, new Set());
    if (places) complete(object, places);
  }
  fill(object, schema, value);
}

/** An object with an empty `private_metadata` at each place that the schema has for it; null: it has none. */
function placesIn(document: Json, schema: Schema, within: ReadonlySet<string>): unknown {
  const { $ref } = schema;
  if ($ref !== undefined) {
    return within.has($ref) ? null : placesIn(document, at(document, $ref), new Set([...within, $ref]));
  }
  const { allOf = [], oneOf = [], anyOf = [], properties = {}, items } = schema;
  if (items) {
    const inner = placesIn(document, items, within);
    return inner ? [inner] : null;
  }
  const found: Json = {};
  for (const part of [...allOf, ...oneOf, ...anyOf]) complete(found, placesIn(document, part, within));
  for (const [name, inner] of Object.entries(properties)) {
    const places = name === "private_metadata" ? {} : placesIn(document, inner, within);
    if (places && !(OF_USERS.test(name) && name !== "private_metadata")) found[name] = places;
  }
  return Object.keys(found).length > 0 ? found : null;
}

/** Adds what is missing, and overwrites nothing. */
function complete(object: Json, places: unknown): void {
  for (const [name, inner] of Object.entries(places ?? {})) {
    const present = object[name];
    if (present === undefined || present === null || (Array.isArray(present) && present.length === 0)) {
      object[name] = structuredClone(inner);
    } else if (Array.isArray(present)) {
      for (const element of present) complete(element, (inner as unknown[])[0]);
    } else complete(present as Json, inner);
  }
}

function fill(value: unknown, place: string, make: (place: string) => unknown): void {
  if (value === null || typeof value !== "object") return;
  if (Array.isArray(value)) {
    for (const [n, element] of value.entries()) fill(element, `${place}[${n}]`, make);
    return;
  }
  const object = value as Json;
  for (const [name, inner] of Object.entries(object)) {
    if (!OF_USERS.test(name)) fill(inner, `${place}.${name}`, make);
  }
  object.private_metadata = make(`${place}.private_metadata`);
}

function at(document: Json, reference: string): Schema {
  const keys = reference.slice(2).split("/");
  return keys.reduce<unknown>((value, key) => (value as Json)[key], document) as Schema;
}
