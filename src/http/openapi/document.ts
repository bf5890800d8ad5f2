import { SCOPES } from "../../auth/scopes.js";
import { packageVersion } from "../../lib/package.js";
import { clerkPaths, type Paths } from "./clerk-operations.js";
import { readClerkDescription } from "./clerk-schema.js";
import { componentSchemas, type JsonSchema, schemaOf } from "./components.js";
import { type Operation, type Parameter, TAGS } from "./operation.js";
import { CHANGES } from "./operations/changes.js";
import { QUERIES } from "./operations/queries.js";
import { SERVER } from "./operations/server.js";
import { UPKEEP } from "./operations/upkeep.js";
import { errorResponses, errorsOf, examplesOf, JSON_TYPE, securityOf } from "./pieces.js";

const OPERATIONS = [...QUERIES, ...CHANGES, ...UPKEEP, ...SERVER];

export interface OpenApi {
  openapi: string;
  paths: Paths;
  components: Record<string, Record<string, JsonSchema>>;
  [member: string]: unknown;
}

/** All that the mirror answers to, as OpenAPI 3.1. The same at each call. */
export function openApi(): OpenApi {
  const clerk = readClerkDescription();
  const paths = clerkPaths(clerk);
  for (const operation of OPERATIONS) {
    paths[operation.path] = { ...paths[operation.path], [operation.method]: presentOperation(operation) };
  }
  return {
    openapi: "3.1.1",
    info: {
      title: "User Mirror",
      version: packageVersion(),
      license: { name: "MIT", identifier: "MIT" },
      summary: "An exact local copy of your Clerk users, with Clerk's API in front of it.",
      description: `Clerk's Users API of ${clerk.info.version}, answered from here or forwarded, and what Clerk can't answer. Errors have Clerk's shape everywhere. Times are milliseconds since 1970. Descriptions of Clerk's own operations are Clerk's (github.com/clerk/openapi-specs, MIT).`,
    },
    // Relative to the address of this description, whatever prefix it is served under.
    servers: [{ url: "." }],
    security: securityOf(null),
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    paths,
    components: {
      securitySchemes: {
        bearerAuth: {
          ...{ type: "http", scheme: "bearer" },
          description: `A key of the mirror (um_…), or Clerk's secret key. Scopes: ${SCOPES.join(", ")}. private_metadata is null to keys without private_metadata:read.`,
        },
      },
      parameters: { ...clerk.components.parameters, ...HEADERS },
      responses: usedIn(paths, { ...clerk.components.responses, ...errorResponses() }),
      // Clerk's own schemas stand last: ours have only the names of those that they refer to.
      schemas: { ...componentSchemas(), ...clerk.components.schemas },
    },
  };
}

/** Clerk's answers to what the mirror refuses by itself aren't among them. */
function usedIn(paths: Paths, responses: Record<string, JsonSchema>): Record<string, JsonSchema> {
  const text = JSON.stringify(paths);
  return Object.fromEntries(
    Object.entries(responses).filter(([name]) => text.includes(`"#/components/responses/${name}"`)),
  );
}

const HEADERS: Record<string, JsonSchema> = {
  MirrorRead: {
    ...{ name: "X-Mirror-Read", in: "header", schema: { type: "string", enum: ["upstream"] } },
    description: "Sends the read to Clerk; the answer refreshes the mirror.",
  },
  MirrorMinVersion: {
    ...{ name: "X-Mirror-Min-Version", in: "header", schema: { type: "string" } },
    description: "X-Mirror-Version of a write's answer: nothing older is read.",
  },
};

function presentOperation(operation: Operation): JsonSchema {
  const { id, tag, summary, description, access, parameters, body, status = 200, answer } = operation;
  const isOpen = access === "open";
  const scope = isOpen || access === "any key" ? null : access;
  const note =
    access === "any key" ? "With any key, or without one as `OPEN_ROUTES` says." : `Scope: \`${scope}\`.`;
  const content = { [answer.type ?? JSON_TYPE]: answer.schema, ...operation.also };
  const errors = errorsOf(operation.errors ?? []);
  if (isOpen) for (const needless of [401, 403, 429]) delete errors[needless];
  return {
    ...{ operationId: id, tags: [tag], summary },
    description: [description, ...(isOpen ? [] : [note])].filter(Boolean).join("\n\n") || summary,
    security: isOpen ? [] : securityOf(scope),
    ...(parameters && { parameters: parameters.map(presentParameter) }),
    ...(body && {
      requestBody: {
        description: [body.description, `At most ${body.mostBytes / 1024} KiB.`].filter(Boolean).join(" "),
        required: !body.isOptional,
        content: {
          [body.type ?? JSON_TYPE]: { schema: schemaOf(body.schema), examples: examplesOf(body.examples) },
        },
      },
    }),
    responses: {
      [status]: {
        description: answer.description,
        content: Object.fromEntries(
          Object.entries(content).map(([type, schema]) => [type, schema ? { schema: schemaOf(schema) } : {}]),
        ),
      },
      ...errors,
    },
  };
}

function presentParameter({ name, in: where, description, schema, examples }: Parameter): JsonSchema {
  return {
    ...{ name, in: where, description, required: where === "path" },
    schema: schemaOf(schema),
    ...(examples && { examples: examplesOf(examples) }),
  };
}
