import { methodsOf, shapeOf } from "../../src/http/openapi/clerk-operations.js";
import { openApi } from "../../src/http/openapi/document.js";
import { TAGS } from "../../src/http/openapi/operation.js";
import { CLERK_ROUTES, type ClerkRoute } from "../../src/upstream/clerk-routes.js";
import { tableOf } from "./made-parts.js";
import { linesOf, objectsIn, type Schema, typeText } from "./schema-text.js";

interface Operation {
  method: string;
  path: string;
  tag: string;
  summary: string;
  description: string;
  security: { bearerAuth?: string[] }[];
  parameters?: { $ref?: string; name: string; in: string; description: string; schema: Schema }[];
  requestBody?: { description?: string; content: Record<string, { schema: Schema }> };
  responses: Record<string, { description?: string; content?: Record<string, { schema?: Schema }> }>;
}

const document = openApi();
const schemas = document.components.schemas as Record<string, Schema>;
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]): Operation => {
    const described = operation as unknown as Omit<Operation, "tag"> & { tags: string[] };
    return { ...described, method: method.toUpperCase(), path, tag: described.tags[0] ?? "" };
  }),
);

/** The parts of the page of routes that are made of the description of the API and of the table of Clerk's routes. */
export function routesReference(): Record<string, string> {
  const own = Object.keys(TAGS).filter((tag) => !OF_CLERK.includes(tag));
  const sections = own.map((tag) => [tag, operations.filter((one) => one.tag === tag)] as const);
  return {
    statuses: statuses(),
    ...Object.fromEntries(
      sections.map(([tag, members]) => [tag.toLowerCase(), members.map(section).join("\n\n")]),
    ),
    objects: objects(),
    users: tableOf(["route", "scope", "", "answered by"], clerkRows("Users")),
    others: tableOf(["route", "scope", "answered by"], clerkRows("Clerk's other routes")),
  };
}

const OF_CLERK: readonly string[] = ["Users", "Clerk's other routes"];

/** What every operation that needs a key can fail with. */
const EVERYWHERE = ["401", "403", "429", "503"];

function statuses(): string {
  const responses = document.components.responses as Record<string, { description: string }>;
  const ours = Object.entries(responses).filter(([name]) => name.startsWith("Error"));
  return tableOf(
    ["status", ""],
    ours.map(([name, { description }]) => [name.replace("Error", ""), description]),
  );
}

function section({ method, path, ...operation }: Operation): string {
  const { summary, description, parameters = [], requestBody, responses } = operation;
  const said = description
    .split("\n\n")
    .filter((text) => !/^(Scope: |With any key, )/.test(text) && text !== summary);
  const [status = "", answer] = Object.entries(responses)[0] ?? [];
  const types = Object.keys(answer?.content ?? {});
  const [type = ""] = types;
  const failures = Object.keys(responses)
    .slice(1)
    .filter((one) => !EVERYWHERE.includes(one));
  const facts = [
    `**Scope:** ${scopeOf(operation)}`,
    ...(requestBody?.description
      ? [`**Body:** ${requestBody.description.replace(/^At most (.*)\.$/, "at most $1")}`]
      : []),
    `**Answers:** ${status}${types.join() === JSON_TYPE ? "" : ` ${types.map((one) => `\`${one}\``).join(", ")}`}`,
    ...(failures.length > 0 ? [`**Fails with:** ${failures.join(", ")}`] : []),
  ];
  const body = requestBody?.content[JSON_TYPE]?.schema;
  const shown = type === JSON_TYPE ? answer?.content?.[type]?.schema : undefined;
  return [
    `### ${method} ${path}`,
    [`${summary}.`, ...said].join(" "),
    `${facts.join(" · ")}`,
    ...(parameters.length > 0 ? [tableOf(["parameter", "", ""], parameters.map(parameterRow))] : []),
    ...(body?.$ref ? [membersTable("body", body)] : []),
    shown?.$ref || shown?.properties ? membersTable("answer", shown) : (answer?.description ?? ""),
  ].join("\n\n");
}

const JSON_TYPE = "application/json";

function scopeOf({ security }: Pick<Operation, "security">): string {
  const [needed] = security;
  if (!needed) return "none: it is open";
  const [scope] = needed.bearerAuth ?? [];
  return scope ? `\`${scope}\`` : "any, or no key as `OPEN_ROUTES` says";
}

function parameterRow({
  name,
  in: where,
  description,
  schema,
}: NonNullable<Operation["parameters"]>[number]) {
  const place = where === "query" ? "" : `, in the ${where}`;
  const usual = schema.default === undefined ? "" : `; \`${schema.default}\` if not given`;
  return [`\`${name}\``, `${typeText(schema)}${usual}${place}`, description];
}

/** Objects that stand inside others have a place of their own. */
const shared = objectsIn(schemas, operations.flatMap(bodiesOf));

function bodiesOf({ tag, requestBody, responses }: Operation): Schema[] {
  if (OF_CLERK.includes(tag)) return [];
  const contents = [requestBody?.content, ...Object.values(responses).map(({ content }) => content)];
  return contents.flatMap((content) => content?.[JSON_TYPE]?.schema ?? []);
}

function membersTable(what: "body" | "answer", schema: Schema): string {
  const name = schema.$ref?.split("/").at(-1) ?? "";
  if (shared.includes(name)) return `The ${what} is a [${name}](#${name.toLowerCase()}).`;
  return tableOf([what, "", ""], linesOf(schema.$ref ? (schemas[name] as Schema) : schema, what));
}

const objects = () =>
  shared
    .map(
      (name) => `### ${name}\n\n${tableOf(["member", "", ""], linesOf(schemas[name] as Schema, "answer"))}`,
    )
    .join("\n\n");

/** Of one path: all methods of which the same is true stand together. */
function clerkRows(tag: string): string[][] {
  const rows = new Map<string, { methods: string[]; row: (methods: string) => string[] }>();
  const sorted = operations
    .filter((one) => one.tag === tag)
    .sort((a, b) => (a.path < b.path ? -1 : Number(a.path > b.path)));
  for (const operation of sorted) {
    const { method, path, summary } = operation;
    const route = routeOf(method, path);
    const isNamed = tag === "Users" && !summary.startsWith("Clerk's ");
    const key = [path, route.scope, route.effect, route.local, isNamed ? summary : ""].join();
    const found = rows.get(key);
    if (found) found.methods.push(method);
    else {
      const row = (methods: string) => [
        `\`${methods} ${path}\``,
        `\`${route.scope}\``,
        ...(tag === "Users" ? [isNamed ? summary : ""] : []),
        answeredBy(route),
      ];
      rows.set(key, { methods: [method], row });
    }
  }
  return [...rows.values()].map(({ methods, row }) => row(methods.join(" ")));
}

/** The entry of the table that the description speaks of: that of the path itself, or else what stands for all below it. */
function routeOf(method: string, path: string): ClerkRoute {
  const ofMethod = CLERK_ROUTES.filter((route) => methodsOf(route).some((one) => one === method));
  const spelled = (template: string) => shapeOf(template) === shapeOf(path);
  const route =
    ofMethod.find(({ template }) => spelled(template)) ??
    ofMethod.find(({ template }) => spelled(template.replace("**", "{path}")));
  if (!route) throw new Error(`${method} ${path} isn't in the table of Clerk's routes.`);
  return route;
}

function answeredBy({ local, effect, ownLimit }: ClerkRoute): string {
  if (local) return "the mirror";
  const limit = ownLimit
    ? `; Clerk allows ${ownLimit.requests} in ${ownLimit.seconds} s for one ${ownLimit.per}`
    : "";
  return `Clerk${effect ? `; ${EFFECTS[effect]}` : ""}${limit}`;
}

/** What is in the mirror before the answer. */
const EFFECTS: Record<NonNullable<ClerkRoute["effect"]>, string> = {
  none: "",
  user: "stores the user",
  users: "stores the users",
  user_deleted: "deletes the user here",
  refetch_user: "asks Clerk for the user anew",
  organization: "stores the organization",
  organizations: "stores the organizations",
  organization_deleted: "deletes the organization here",
  membership: "stores the membership",
  memberships: "stores the memberships",
  membership_deleted: "deletes the membership here",
};
