import { CLERK_ROUTES, type ClerkRoute, type Method } from "../../upstream/clerk-routes.js";
import { CLERK_BODIES, CLERK_PATHS, CLERK_QUERIES } from "./clerk-examples.js";
import type { ClerkDescription, ClerkOperation } from "./clerk-schema.js";
import type { JsonSchema } from "./components.js";
import type { Tag } from "./operation.js";
import { errorsOf, examplesOf, JSON_TYPE, securityOf } from "./pieces.js";

export type Paths = Record<string, Record<string, JsonSchema>>;

const WRITES: readonly Method[] = ["POST", "PUT", "PATCH", "DELETE"];

/** Every operation of the table of Clerk's routes: as Clerk describes it, or as what is forwarded unseen. */
export function clerkPaths(clerk: ClerkDescription): Paths {
  const paths: Paths = {};
  const pathOfShape = new Map<string, string>();
  const add = (path: string, method: string, operation: JsonSchema) => {
    paths[path] = { ...paths[path], [method.toLowerCase()]: operation };
    pathOfShape.set(shapeOf(path), path);
  };
  for (const [path, methods] of Object.entries(clerk.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const route = routeOf(method.toUpperCase(), `/v1${path}`);
      add(`/v1${path}`, method, described(operation, route, path));
    }
  }
  // Those that name a path go before what stands for many: two paths of one shape would be one and the same.
  const isMany = ({ template }: ClerkRoute) => Number(template.endsWith("**"));
  for (const route of [...CLERK_ROUTES].sort((one, other) => isMany(one) - isMany(other))) {
    const shape = shapeOf(route.template.replace("**", "{}"));
    const known = pathOfShape.get(shape);
    if (known !== undefined && isMany(route) && !known.endsWith("{path}")) continue;
    const path = known ?? pathOf(route.template);
    for (const method of methodsOf(route)) {
      if (paths[path]?.[method.toLowerCase()] === undefined)
        add(path, method, forwarded(method, path, route));
    }
  }
  return paths;
}

export const shapeOf = (path: string) => path.replaceAll(/\{\w+\}/g, "{}");

/** The methods for which an entry of the table stands. */
export function methodsOf({ method }: ClerkRoute): readonly Method[] {
  if (method === "write") return WRITES;
  return method === "any" ? ["GET", ...WRITES] : [method];
}

function routeOf(method: string, path: string): ClerkRoute {
  const route = CLERK_ROUTES.find(
    (entry) => entry.method === method && shapeOf(entry.template) === shapeOf(path),
  );
  if (!route) throw new TypeError(`${method} ${path} isn't in the table of Clerk's routes.`);
  return route;
}

/** Parameters are named for what stands before them, so that none has another's name. */
const pathOf = (template: string) =>
  template
    .replaceAll(/(\w+?)s?\/\{\w+\}/g, (whole, before) => whole.replace(/\{\w+\}/, `{${before}_id}`))
    .replace("**", "{path}");

function described(operation: ClerkOperation, route: ClerkRoute, path: string): JsonSchema {
  const {
    operationId,
    summary,
    description,
    deprecated,
    parameters = [],
    requestBody,
    responses,
  } = operation;
  const bodies = CLERK_BODIES[operationId];
  return {
    ...{ operationId, tags: [tagOf(path)], summary, ...(deprecated && { deprecated }) },
    description: [description?.trim(), noteOn(route)].filter(Boolean).join("\n\n"),
    security: securityOf(route.scope),
    parameters: [...parameters.map(withExamples), ...headersOf(route)],
    ...(requestBody && { requestBody: bodies ? withBodies(requestBody, bodies) : requestBody }),
    responses: { ...responses, ...errorsOf(route.local ? [] : [502, 504]) },
  };
}

function withExamples(parameter: JsonSchema): JsonSchema {
  const examples = (parameter.in === "path" ? CLERK_PATHS : CLERK_QUERIES)[String(parameter.name)];
  return examples ? { ...parameter, examples: examplesOf(examples) } : parameter;
}

function withBodies(body: NonNullable<ClerkOperation["requestBody"]>, examples: object): JsonSchema {
  const content = Object.entries(body.content).map(([type, media]) => [
    type,
    { ...media, examples: examplesOf(examples as Record<string, unknown>) },
  ]);
  return { ...body, content: Object.fromEntries(content) };
}

/** What Clerk's description here doesn't have. */
function forwarded(method: string, path: string, route: ClerkRoute): JsonSchema {
  const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name as string);
  return {
    operationId: `forward${method}${path.replaceAll(/[^\w]+(\w)?/g, (_, next = "") => next.toUpperCase())}`,
    tags: [tagOf(path.replace("/v1", ""))],
    summary: `Clerk's ${method} ${path}`,
    description: noteOn(route),
    security: securityOf(route.scope),
    parameters: names.map((name) => ({
      ...{ name, in: "path", required: true, schema: { type: "string" } },
      description: name === "path" ? "The rest of the path, slashes included." : "An id of Clerk's.",
    })),
    ...(method !== "GET" &&
      method !== "DELETE" && {
        requestBody: { description: "As Clerk wants it.", content: { [JSON_TYPE]: { schema: {} } } },
      }),
    responses: {
      200: { description: "As Clerk answers.", content: { [JSON_TYPE]: { schema: {} } } },
      ...errorsOf([404, 502, 504]),
    },
  };
}

const tagOf = (path: string): Tag => (/^\/users\b/.test(path) ? "Users" : "Clerk's other routes");

function noteOn({ scope, local, effect }: ClerkRoute): string {
  const how = local
    ? "Answered from the mirror."
    : `Forwarded to Clerk${effect ? "; what it changes is in the mirror before the answer" : ""}.`;
  return `${how} Scope: \`${scope}\`.`;
}

/** Headers by which a read says what it wants to be read from. */
const headersOf = ({ local }: ClerkRoute): JsonSchema[] =>
  local
    ? ["MirrorRead", "MirrorMinVersion"].map((name) => ({ $ref: `#/components/parameters/${name}` }))
    : [];
