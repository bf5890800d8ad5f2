import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv, type ValidateFunction } from "ajv";
import formatsPlugin from "ajv-formats";
import { readClerkDescription, toJsonSchema } from "../../src/http/openapi/clerk-schema.js";

interface Operation {
  responses?: Record<string, { $ref?: string; content?: Record<string, { schema: object }> }>;
}
interface Document {
  paths: Record<string, Record<string, Operation>>;
  "x-webhooks": Record<string, { post: { requestBody: { content: Record<string, { schema: object }> } } }>;
  components: { schemas: Record<string, object>; responses?: Record<string, object> };
}

const api = readClerkDescription() as unknown as Document;
const webhooks = toJsonSchema(
  JSON.parse(readFileSync(join(import.meta.dirname, "..", "fixtures", "webhooks.json"), "utf8")),
) as Document;
const compiled = new Map<string, ValidateFunction>();

/** What is wrong with an answer of Clerk's Users API, by Clerk's own schema; nothing: it is valid. */
export function responseProblems(method: string, template: string, status: number, body: unknown): string[] {
  const response = api.paths[template]?.[method.toLowerCase()]?.responses?.[status];
  const resolved = response?.$ref ? at(api, response.$ref) : response;
  const schema = (resolved as { content?: Record<string, { schema: object }> })?.content?.["application/json"]
    ?.schema;
  if (!schema) return [`${method} ${template} has no schema for ${status}`];
  return problems(`${method} ${template} ${status}`, api, schema, body);
}

/** The same for an error, whatever the operation: not all statuses stand in the schema. */
export function errorProblems(body: unknown): string[] {
  return problems("errors", api, { $ref: "#/components/schemas/ClerkErrors" }, body);
}

/** The same for a webhook's body. */
export function webhookProblems(type: string, body: unknown): string[] {
  const schema = webhooks["x-webhooks"][type]?.post.requestBody.content["application/json"]?.schema;
  if (!schema) return [`${type} has no schema`];
  // Clerk's schema of a session is closed and then extended by the user: no session could satisfy both.
  return problems(`webhook ${type}`, webhooks, schema, body).filter(
    (problem) => !CLOSED_SESSION.test(problem),
  );
}

const CLOSED_SESSION = /^\/data: must NOT have additional properties {"additionalProperty":"user"}$/;

function problems(name: string, document: Document, schema: object, body: unknown): string[] {
  let validate = compiled.get(name);
  if (!validate) {
    const ajv = new Ajv({ strict: false, allErrors: true });
    formatsPlugin.default(ajv);
    validate = ajv.compile({ ...schema, components: document.components });
    compiled.set(name, validate);
  }
  if (validate(body)) return [];
  return (validate.errors ?? []).map(
    ({ instancePath, message, params }) => `${instancePath}: ${message} ${JSON.stringify(params)}`,
  );
}

function at(document: Document, reference: string): unknown {
  return reference
    .slice(2)
    .split("/")
    .reduce<unknown>((value, key) => (value as Record<string, unknown>)[key], document);
}
