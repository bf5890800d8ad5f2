import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import formatsPlugin from "ajv-formats";
import { readClerkDescription } from "../../src/http/openapi/clerk-schema.js";
import { openApi } from "../../src/http/openapi/document.js";

export const document = openApi();

const ofClerk = new Set(Object.keys(readClerkDescription().components.schemas));

/** The mirror's own schemas without members that they don't name, so that none is answered without being described. */
const schemas = Object.fromEntries(
  Object.entries(document.components.schemas ?? {}).map(([name, schema]) => [
    name,
    ofClerk.has(name) ? schema : closed(schema),
  ]),
);

function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== "object" || schema === null) return schema;
  const inner = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, closed(value)]));
  return "properties" in schema && !("additionalProperties" in schema)
    ? { ...inner, additionalProperties: false }
    : inner;
}

const compiled = new Map<string, ValidateFunction>();

/** What is wrong with a value by a schema of the description; nothing: it is valid. */
export function schemaProblems(schema: object, value: unknown): string[] {
  const name = JSON.stringify(schema);
  let validate = compiled.get(name);
  if (!validate) {
    const ajv = new Ajv2020({ strict: false, allErrors: true });
    formatsPlugin.default(ajv);
    validate = ajv.compile({ ...schema, components: { ...document.components, schemas } });
    compiled.set(name, validate);
  }
  if (validate(value)) return [];
  return (validate.errors ?? []).map(
    ({ instancePath, message, params }) => `${instancePath}: ${message} ${JSON.stringify(params)}`,
  );
}

/** The same by a schema's name. */
export const componentProblems = (name: string, value: unknown) =>
  schemaProblems({ $ref: `#/components/schemas/${name}` }, value);
