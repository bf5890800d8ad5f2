import { z } from "zod";
import {
  ELEMENT_OBJECTS,
  FIELDS,
  type Field,
  metadataField,
  type Operator,
  operatorsOf,
} from "../../query/language/catalogue.js";
import { MOST_VALUES } from "../../query/language/operators.js";
import { component } from "./components.js";

/**
 * The filter language as a schema, made from the catalogue by which filters are parsed. The parser says more precisely what is wrong
 * with one, so it is the parser that judges; a test holds that the two agree.
 */

const text = z.string();
const time = component(
  "Time",
  z
    .union([z.int(), z.string()])
    .describe(
      "Whole milliseconds since 1970, ISO 8601 (2026-11-01, 2026-11-01T10:00:00Z), or now, now-30d, now+1h (units m, h, d, w).",
    ),
);
const scalar = component("MetadataScalar", z.union([z.string(), z.number(), z.boolean()]));
const part = z.string().min(1);

const VALUES: Record<Field<unknown>["type"], z.ZodType> = {
  text,
  flag: z.boolean(),
  time,
  metadata: scalar,
  any: z.never(),
};
const SIZES: Partial<Record<Field<unknown>["type"], z.ZodType>> = {
  time,
  metadata: z.union([z.string(), z.number()]),
};

/** What can be asked of a field of this type: a value, several, or an object of operators. */
function asked(field: Field<unknown>): z.ZodType {
  const value = VALUES[field.type];
  const operators = z
    .strictObject(
      Object.fromEntries(
        operatorsOf(field).map((operator) => [operator, operandOf(operator, field).optional()]),
      ),
    )
    .meta({ minProperties: 1 });
  if (field.type === "any") return operators;
  return z.union([value.nullable(), valuesOf(value), operators]);
}

const valuesOf = (value: z.ZodType) => z.array(value.nullable()).max(MOST_VALUES);

function operandOf(operator: Operator, field: Field<unknown>): z.ZodType {
  const value = VALUES[field.type];
  switch (operator) {
    case "eq":
    case "ne":
      return value.nullable();
    case "in":
    case "nin":
      return valuesOf(value);
    case "lt":
    case "lte":
    case "gt":
    case "gte":
      return SIZES[field.type] ?? value;
    case "exists":
      return z.boolean();
    case "contains":
      return field.type === "metadata" ? z.union([part, z.number(), z.boolean()]) : part;
    case "prefix":
    case "suffix":
    case "similar":
      return part;
  }
}

const similar = (field: Field<unknown>) => field.type === "text" && field.similar !== null;

const CONDITIONS = {
  text: component("TextCondition", asked(someField((field) => field.type === "text" && !similar(field)))),
  name: component("NameCondition", asked(someField(similar))),
  flag: component("FlagCondition", asked(someField(({ type }) => type === "flag"))),
  time: component("TimeCondition", asked(someField(({ type }) => type === "time"))),
  metadata: component("MetadataCondition", asked(metadataField("public", ["path"]))),
  any: component("AnyCondition", asked(someField(({ type }) => type === "any"))),
};

function someField(is: (field: Field<unknown>) => boolean): Field<unknown> {
  const field = [...FIELDS.values()].find(is);
  if (!field) throw new TypeError("No field is like this.");
  return field;
}

const conditionOf = (field: Field<unknown>): z.ZodType => CONDITIONS[similar(field) ? "name" : field.type];

const conditionsOf = (fields: ReadonlyMap<string, Field<unknown>>) =>
  Object.fromEntries([...fields].map(([name, field]) => [name, conditionOf(field).optional()]));

/**
 * Names that begin with a kind of metadata are paths. Other names than these are refused by `propertyNames`, since generators of types
 * would hold every member to what may stand at a path.
 */
const withPaths = (kinds: string, names: readonly string[]) => ({
  patternProperties: { [`^(${kinds})_metadata\\.`]: { $ref: "#/components/schemas/MetadataCondition" } },
  additionalProperties: true,
  propertyNames: { anyOf: [{ enum: [...names, ...LOGIC] }, { pattern: `^(${kinds})_metadata\\.` }] },
});
const LOGIC = ["and", "or", "not"];

function elementFilter(name: string): z.ZodType {
  const object = ELEMENT_OBJECTS.get(name);
  if (!object) throw new TypeError(`No element is called ${name}.`);
  const schema: z.ZodType = component(
    `${name[0]?.toUpperCase()}${name.slice(1)}Filter`,
    z
      .object({
        ...conditionsOf(object.fields),
        get and(): z.ZodType {
          return z.array(schema).optional();
        },
        get or(): z.ZodType {
          return z.array(schema).optional();
        },
        get not(): z.ZodType {
          return schema.optional();
        },
      })
      .meta(
        object.list === "membership"
          ? withPaths("public", [...object.fields.keys()])
          : { additionalProperties: false },
      )
      .describe(`All of it holds for one and the same ${name}. {}: there is one at all.`),
  );
  return schema;
}

export const filter: z.ZodType = component(
  "Filter",
  z
    .object({
      ...conditionsOf(FIELDS),
      membership: elementFilter("membership").optional(),
      email: elementFilter("email").optional(),
      account: elementFilter("account").optional(),
      get and(): z.ZodType {
        return z.array(filter).optional();
      },
      get or(): z.ZodType {
        return z.array(filter).optional();
      },
      get not(): z.ZodType {
        return filter.optional();
      },
    })
    .meta(withPaths("public|unsafe|private", [...FIELDS.keys(), ...ELEMENT_OBJECTS.keys()]))
    .describe(
      "Which users: all entries must hold, {} is everybody. Metadata are named by their path: public_metadata.plan. Paths of private_metadata need the scope private_metadata:read.",
    ),
);
