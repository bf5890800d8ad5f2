/** A JSON Schema, as far as the description of the mirror's own routes uses it. */
export interface Schema {
  $ref?: string;
  type?: string | string[];
  description?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  anyOf?: Schema[];
  oneOf?: Schema[];
  enum?: unknown[];
  const?: unknown;
  default?: unknown;
  minimum?: number;
  maximum?: number;
  minItems?: number;
  maxItems?: number;
  pattern?: string;
  maxLength?: number;
}

const nameOf = (schema: Schema) => schema.$ref?.split("/").at(-1);

/** What isn't told member by member. */
const ELSEWHERE: Record<string, string> = {
  Filter: "[filter](filter-language.md)",
  Group: "[group](filter-language.md#counting)",
  ShownUser: "user",
  User: "user",
};

/** What a value is, in words. A name that the page has leads there. */
export function typeText(schema: Schema): string {
  const name = nameOf(schema);
  if (name) return ELSEWHERE[name] ?? `[${name}](#${name.toLowerCase()})`;
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return [...new Set(choices.map(choiceText))].join(" or ");
  if (schema.const !== undefined) return `\`${schema.const}\``;
  if (schema.enum) return schema.enum.map((one) => `\`${one}\``).join(" ");
  if (Array.isArray(schema.type))
    return schema.type.map((type) => typeText({ ...schema, type })).join(" or ");
  switch (schema.type) {
    case "array":
      return `${schema.maxItems ? `up to ${schema.maxItems}` : "list"} of ${enclosed(schema.items ?? {})}`;
    case "integer":
      return schema.maximum === undefined ? "whole number" : `${schema.minimum ?? 0} to ${schema.maximum}`;
    case "boolean":
      return "`true` or `false`";
    case "string":
      return schema.maxLength ? `text of up to ${schema.maxLength} characters` : "text";
    case undefined:
      return "any value";
    default:
      return schema.type;
  }
}

function enclosed(schema: Schema): string {
  const text = typeText(schema);
  return text.includes(" or ") ? `(${text})` : text;
}

/** Objects of several kinds are told apart by their members. */
function choiceText(schema: Schema): string {
  if (schema.type !== "object" || !schema.properties) return typeText(schema);
  const members = Object.entries(schema.properties).map(([name, { const: value }]) =>
    value === undefined ? name : `${name}: ${JSON.stringify(value)}`,
  );
  return `\`{ ${members.join(", ")} }\``;
}

/**
 * A row for each member: its name, what it is, what is said of it. Those of objects inside follow, behind a dot. Of a body it is told what is
 * needed, of an answer what may be absent.
 */
export function linesOf(schema: Schema, of: "body" | "answer", before = ""): string[][] {
  const { properties = {}, required = [] } = schema;
  return Object.entries(properties).flatMap(([name, member]) => {
    const inner = insideOf(member);
    const isRequired = required.includes(name);
    const note =
      of === "body" && isRequired ? "; needed" : of === "answer" && !isRequired ? "; may be absent" : "";
    return [
      [`\`${before}${name}\``, (inner?.type ?? typeText(member)) + note, member.description ?? ""],
      ...(inner ? linesOf(inner.schema, of, `${before}${name}${inner.step}`) : []),
    ];
  });
}

/** The one object that a member is, is a list of, or is unless it is null. */
function insideOf(member: Schema): { schema: Schema; step: string; type: string } | null {
  if (member.properties) return { schema: member, step: ".", type: "object" };
  if (member.items?.properties) return { schema: member.items, step: "[].", type: "list of objects" };
  const [one, other, ...more] = member.anyOf ?? [];
  const isOrNull = one?.properties && other?.type === "null" && more.length === 0;
  return isOrNull ? { schema: one, step: ".", type: "object or null" } : null;
}

/** The names of schemas that stand inside others, by themselves or in a list, or that more than one of these is. */
export function objectsIn(schemas: Readonly<Record<string, Schema>>, roots: readonly Schema[]): string[] {
  const found = new Set<string>();
  const seen = new Set<string>();
  const visit = (schema: Schema, isInside: boolean): void => {
    const name = nameOf(schema);
    if (name === undefined) {
      const { properties = {}, items, anyOf = [], oneOf = [] } = schema;
      for (const one of [...Object.values(properties), ...(items ? [items] : []), ...anyOf, ...oneOf]) {
        visit(one, true);
      }
    } else if (!(name in ELSEWHERE)) {
      if (isInside || seen.has(name)) found.add(name);
      if (!seen.has(name)) {
        seen.add(name);
        visit(schemas[name] ?? {}, false);
      }
    }
  };
  for (const root of roots) visit(root, false);
  return [...found].sort();
}
