// Covers src/http/openapi/{answers,upkeep,clerk-examples}.ts

import { Webhook } from "svix";
import { afterAll, beforeAll, expect, test } from "vitest";
import { newKey } from "../../../src/auth/stored-keys.js";
import { insertApiKey } from "../../../src/db/api-keys.js";
import { EXAMPLE_IDS } from "../../../src/http/openapi/operations/ids.js";
import type { RunningServer } from "../../../src/runtime/server.js";
import { type Sandbox, startSandbox } from "../../../src/sandbox/server.js";
import { freshDatabase, type OwnDatabase } from "../../support/database.js";
import { startMirror, WEBHOOK_SECRET } from "../../support/mirror.js";
import { document, schemaProblems } from "../../support/openapi.js";

type Examples = Record<string, { value: unknown }>;

interface Parameter {
  name: string;
  in: "query" | "path" | "header";
  examples?: Examples;
  $ref?: string;
}

interface Operation {
  operationId: string;
  parameters?: Parameter[];
  requestBody?: { content: Record<string, { examples?: Examples }> };
  responses: Record<string, { $ref?: string; content?: Record<string, { schema?: object }> }>;
}

/** One request that the description shows. */
interface Shown {
  name: string;
  operation: Operation;
  method: string;
  path: string;
  query?: [name: string, value: unknown];
  body?: { type: string; value: unknown };
  accept?: string;
}

const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, told]) => ({
    ...{ path, method: method.toUpperCase(), operation: told as unknown as Operation },
  })),
);

const valuesOf = (examples: Examples = {}) =>
  Object.entries(examples).map(([name, { value }]) => ({ name, value }));
const parametersOf = ({ parameters = [] }: Operation) =>
  parameters.map((one) => (one.$ref ? (resolve(one.$ref) as Parameter) : one));

function resolve(reference: string): unknown {
  const [, , room = "", name = ""] = reference.split("/");
  return document.components[room]?.[name];
}

/** Each example once, by itself, and the plain request where nothing more is needed. */
function shownBy({ path, method, operation }: (typeof operations)[number]): Shown[] {
  const parameters = parametersOf(operation);
  const inPath = parameters.filter((one) => one.in === "path");
  // Without an example it isn't said what stands there.
  if (inPath.some(({ examples }) => !examples)) return [];
  const address = inPath.reduce(
    (text, { name, examples }) => text.replace(`{${name}}`, String(valuesOf(examples)[0]?.value)),
    path,
  );
  const base = { operation, method, path: address };
  const content = Object.entries(operation.requestBody?.content ?? {});
  const bodies = content.flatMap(([type, { examples }]) =>
    valuesOf(examples).map(({ name, value }) => ({
      ...base,
      ...{ name: `${method} ${path}: ${name}`, body: { type, value } },
    })),
  );
  if (content.length > 0 && bodies.length === 0) return [];
  const plain = bodies.length > 0 ? bodies : [{ ...base, name: `${method} ${path}` }];
  const queries = parameters
    .filter((one) => one.in === "query")
    .flatMap(({ name, examples }) =>
      valuesOf(examples).map((example) => ({
        ...base,
        ...{ name: `${method} ${path}?${name}: ${example.name}`, query: [name, example.value] as const },
      })),
    );
  const [, ...others] = Object.keys(answerOf(operation).content);
  // Which of its forms the answer to a message has is decided by the protocol's version.
  const forms = (path === "/mcp" ? [] : others).map((accept) => ({
    ...plain[0],
    name: `${method} ${path} as ${accept}`,
    accept,
  }));
  return [...plain, ...queries, ...forms] as Shown[];
}

function answerOf({ responses }: Operation) {
  const [status = "", told = {}] = Object.entries(responses).find(([code]) => code.startsWith("2")) ?? [];
  const { content = {} } = told.$ref ? (resolve(told.$ref) as typeof told) : told;
  return { status: Number(status), content };
}

/** Whoever deletes goes last, and of the same kind in the order of the description. */
const RANKS = ["GET", "POST", "PUT", "PATCH", "DELETE"];
const shown = operations
  .flatMap(shownBy)
  .sort((one, other) => RANKS.indexOf(one.method) - RANKS.indexOf(other.method));

/** What the stand-in Clerk doesn't do, or what its users don't have: its 404 is passed on in Clerk's shape. */
const NOT_IN_SANDBOX = /billing|oauth_access_tokens|\/users\/me|^DELETE .*profile_image/;

let sandbox: Sandbox;
let server: RunningServer;
let database: OwnDatabase;
let organization: string;
const ids: Record<string, () => Promise<string> | string> = {};

beforeAll(async () => {
  sandbox = await startSandbox({ users: 60, organizations: 2, seed: 7 });
  const ann = newUser("ann@acme.com");
  newUser("bob@acme.com");
  organization = String(sandbox.clerk.organizations()[0]?.id);
  sandbox.clerk.createMembership({ organization_id: organization, user_id: ann, role: "org:admin" });
  database = await freshDatabase();
  server = await startMirror({ sandbox, databaseUrl: database.url });
  Object.assign(ids, {
    [EXAMPLE_IDS.user]: async () => {
      const id = newUser();
      await sandbox.webhooks.settle();
      return id;
    },
    [EXAMPLE_IDS.organization]: () => organization,
    [EXAMPLE_IDS.run]: async () => (await own("POST", "/mirror/reconcile", { mode: "incremental" })).run_id,
    [EXAMPLE_IDS.deadLetter]: deadLetter,
    [EXAMPLE_IDS.key]: async () => {
      const { id, digest } = newKey();
      const orm = server.mirror.store.database.primary.orm;
      await insertApiKey(orm, { id, name: id, digest, scopes: ["users:read"] });
      return id;
    },
  });
});
afterAll(async () => {
  await server.stop();
  await sandbox.close();
  await database.drop();
});

/** Somebody on whom any operation of Clerk's works. */
function newUser(address?: string): string {
  const number = sandbox.clerk.users().length;
  const { id } = sandbox.clerk.createUser({
    email_address: [address ?? `example${number}@example.com`],
    password: "correct horse battery staple",
    totp_secret: "secret123456",
    backup_codes: ["code-1", "code-2"],
  });
  return String(id);
}

async function own(method: string, path: string, body: unknown): Promise<{ run_id: string }> {
  const headers = { Authorization: "Bearer um_test", "Content-Type": "application/json" };
  const answer = await fetch(server.url + path, { method, headers, body: JSON.stringify(body) });
  return (await answer.json()) as { run_id: string };
}

const signed = (id: string, body: string): Record<string, string> => ({
  ...{ "svix-id": id, "svix-timestamp": String(Math.floor(Date.now() / 1000)) },
  "svix-signature": new Webhook(WEBHOOK_SECRET).sign(id, new Date(), body),
});

let letters = 0;
async function deadLetter(): Promise<string> {
  const id = `msg_letter_${letters++}`;
  const body = JSON.stringify({ type: "user.updated", data: { id: "user_1" } });
  const answer = await fetch(`${server.url}/webhooks/clerk`, {
    method: "POST",
    headers: signed(id, body),
    body,
  });
  expect(await answer.json()).toEqual({ status: "dead_lettered" });
  return id;
}

/** With ids that are there instead of those that the description shows. */
async function withRealIds(text: string): Promise<string> {
  let real = text;
  for (const [example, make] of Object.entries(ids)) {
    if (real.includes(example)) real = real.replaceAll(example, await make());
  }
  return real;
}

test("there are examples of every kind", () => {
  expect(shown.length).toBeGreaterThan(90);
  const bodies = operations.filter(({ operation }) => operation.requestBody);
  const own = bodies.filter(({ path }) => !path.includes("{path}") && path.startsWith("/mirror"));
  for (const { operation } of own) expect(JSON.stringify(operation.requestBody)).toContain('"examples"');
});

test.each(shown)("$name", async ({ operation, method, path, query, body, accept }) => {
  const address = new URL(server.url + (await withRealIds(path)));
  const [name, value] = query ?? [];
  for (const one of name === undefined ? [] : [value].flat()) {
    address.searchParams.append(name as string, await withRealIds(String(one)));
  }
  const text = body && (await withRealIds(JSON.stringify(body.value)));
  const leaving = new AbortController();
  const response = await fetch(address, {
    method,
    signal: leaving.signal,
    headers: {
      Authorization: "Bearer um_test",
      Accept: accept ?? (path === "/mcp" ? "application/json, text/event-stream" : "application/json"),
      ...(body && { "Content-Type": body.type }),
      ...(path.startsWith("/webhooks") && signed(`msg_${Math.random()}`, text ?? "")),
    },
    ...(text !== undefined && { body: text }),
  });
  const type = response.headers.get("content-type")?.split(";")[0] ?? "";
  const expected = answerOf(operation);
  if (NOT_IN_SANDBOX.test(`${method} ${path}`)) {
    expect(response.status).toBe(404);
    expect(schemaProblems({ $ref: "#/components/schemas/ClerkErrors" }, await response.json())).toEqual([]);
    return;
  }
  if (response.status !== expected.status)
    expect([response.status, await response.text()]).toEqual([expected.status, ""]);
  const told = expected.content[type] ?? expected.content["*/*"];
  expect([type, told !== undefined]).toEqual([type, true]);
  if (accept) expect(type).toBe(accept);
  if (type === "application/json") {
    expect(schemaProblems(told?.schema ?? {}, await response.json())).toEqual([]);
  }
  leaving.abort();
});
