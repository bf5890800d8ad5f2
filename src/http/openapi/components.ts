import { z } from "zod";

/** The schemas that have a name of their own in the document. */
const registry = z.registry<{ id: string }>();

/** Gives a schema its name. Wherever it stands inside another, the document refers to it. */
export function component<S extends z.ZodType>(id: string, schema: S): S {
  registry.add(schema, { id });
  return schema;
}

/** What stands in the document for a schema that Clerk's own description has. */
export const ofClerk = (id: string): z.ZodType => component(id, z.record(z.string(), z.unknown()));

export type JsonSchema = Record<string, unknown>;

const addressOf = (id: string) => `#/components/schemas/${id}`;
/** As a caller may send it, and without closing objects: an answer may have more members one day. */
const OPTIONS = {
  ...({ io: "input", target: "draft-2020-12", unrepresentable: "any" } as const),
  ...{ uri: addressOf, override: brief },
};

/** That whole numbers are exact goes without saying. */
function brief({ jsonSchema }: { jsonSchema: JsonSchema }): void {
  if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
  if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
}

/** Generators of types take a member with a default for one that is always there, in requests too. */
function withoutDefaults(told: { jsonSchema: JsonSchema }): void {
  brief(told);
  delete told.jsonSchema.default;
}

/** Every schema that has a name. */
export function componentSchemas(): Record<string, JsonSchema> {
  const { schemas } = z.toJSONSchema(registry, { ...OPTIONS, override: withoutDefaults });
  return Object.fromEntries(Object.entries(schemas).map(([id, schema]) => [id, plain(schema)]));
}

/** A schema where it is used: its name, if it has one. */
export function schemaOf(schema: z.ZodType): JsonSchema {
  const named = registry.get(schema);
  return named ? { $ref: addressOf(named.id) } : plain(z.toJSONSchema(schema, OPTIONS));
}

function plain(schema: object): JsonSchema {
  const { $schema: _, $id: __, id: ___, ...rest } = schema as JsonSchema;
  return rest;
}
