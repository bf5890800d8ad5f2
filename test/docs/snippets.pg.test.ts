// Covers README.md, docs

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RunningServer } from "../../src/runtime/server.js";
import { type Sandbox, startSandbox } from "../../src/sandbox/server.js";
import { freshDatabase, type OwnDatabase } from "../support/database.js";
import { ROOT } from "../support/markdown.js";
import { startMirror, WEBHOOK_SECRET } from "../support/mirror.js";
import { componentProblems } from "../support/openapi.js";
import { installCli, ownCli, runScript } from "../support/shell.js";
import {
  allSnippets,
  compilerSays,
  expectSyntax,
  type NamedSnippet,
  preparePrograms,
} from "../support/snippets.js";

const snippets = allSnippets();

/** Pages whose snippets a test of their own runs. */
const HAVE_A_TEST: Record<string, string> = {
  "docs/tutorial/first-answers.md": "test/docs/tutorial.pg.test.ts",
  "docs/how-to/backup.md": "test/docs/backup.system.test.ts",
  "docs/reference/filter-language.md": "test/check/filter-language.test.ts",
  "docs/sql.md": "test/sql/documented.pg.test.ts",
};

/** Snippets that aren't run, and why. They are read for their syntax all the same. */
const NOT_RUN: Record<string, string> = {
  "README.md: Try it: sh": "the tutorial's test runs the demo, and this is what `npm test` runs",
  "README.md: With Docker: sh": "needs Docker",
  "CONTRIBUTING.md: Set up: sh": "installs, and runs all tests",
  "docs/BENCHMARKS.md: Measure it yourself: sh": "takes an hour",
  "docs/how-to/adopting.md: Python: python": "needs Python and a package",
  "docs/how-to/adopting.md: Ruby: ruby": "needs Ruby and a package",
  "docs/how-to/adopting.md: Go: go": "needs Go and a package",
  "docs/how-to/adopting.md: PHP: php": "needs PHP and a package",
  "docs/how-to/api.md: Make a client: sh":
    "asks the registry; test/http/openapi/types.test.ts makes the types",
  "docs/how-to/dashboard.md: Behind a proxy: nginx": "needs nginx",
  "docs/how-to/deploying.md: With npm: sh": "asks the registry; test/package installs what is packed",
  "docs/how-to/deploying.md: With Docker: sh": "needs Docker",
  "docs/how-to/deploying.md: With Kubernetes: sh": "needs a cluster",
  "docs/how-to/deploying.md: With systemd: sh": "changes the machine; test/deploy verifies the unit",
  "docs/how-to/deploying.md: What is in it, and where it comes from: sh": "needs a published release",
  "docs/how-to/mcp.md: Connect a client: sh": "needs Claude Code",
  "docs/observability/README.md: Scraping: yaml": "needs Prometheus",
  "docs/observability/README.md: Traces: sh":
    "asks the registry; test/examples/tracing.pg.test.ts runs the example",
};

/** What those print that go on for ever; then they are interrupted. */
const UNTIL: Record<string, RegExp> = {
  "README.md: Use it: sh": /"msg":"listening"/,
  "docs/how-to/asking.md: From TypeScript: ts": /^user\.upserted user_/m,
  "docs/how-to/asking.md: From the command line: sh": /user\.upserted/,
  "docs/how-to/following-changes.md: In TypeScript: ts": /copied/,
};

/** What pages say of the answers. */
const SHOWS: Record<string, RegExp> = {
  "README.md: With filters: sh": /"total_count":\d+/,
  "docs/how-to/adopting.md: See that it works: sh": /x-mirror-source: local.*x-mirror-as-of: \d+/is,
  "docs/how-to/following-changes.md: Copy first, then follow: sh 2": /"next_cursor":"/,
  "docs/how-to/following-changes.md: Live: sh": /user\.upserted/,
};

/** What stands around a snippet in the page's own words. */
const AROUND: Record<string, (text: string) => string> = {
  "README.md: Use it: sh": (text) => text.replace("npm start", "user-mirror serve"),
  "README.md: Use it: ts": (text) => `
    import { createClerkClient } from "@clerk/backend";
    const id = ${JSON.stringify(somebody())};
    ${text}`,
  // Its types are made and checked by test/http/openapi/types.test.ts.
  "docs/how-to/api.md: Make a client: ts": (text) => `// @ts-nocheck\n${text}`,
  "docs/how-to/following-changes.md: In TypeScript: ts": (text) => `
    setInterval(() => copy.size >= ${USERS - 10} && console.log("copied"), 20);
    ${text}`,
  "docs/how-to/privacy.md: Keep data out: FIELD_POLICY: sh": (text) => `set -a; ${text}\nuser-mirror config`,
  "docs/how-to/privacy.md: Remove a person: erase: sh": (text) => text.replace("user_2abc", deletedId),
};

const USERS = 200;
let deletedId = "";

let folder: string;
let sandbox: Sandbox;
let database: OwnDatabase;
let server: RunningServer;
let sql: postgres.Sql;
let env: Record<string, string>;

const somebody = () => String(sandbox.clerk.users()[0]?.id);
const changeSomebody = () =>
  sandbox.clerk.updateMetadata(somebody(), { public_metadata: { changedAt: Date.now() } });

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "user-mirror-snippets-"));
  installCli(folder);
  preparePrograms(folder);
  [sandbox, database] = await Promise.all([
    startSandbox({ users: USERS, organizations: 5 }),
    freshDatabase(),
  ]);
  server = await startMirror({ sandbox, databaseUrl: database.url });
  deletedId = somebody();
  sandbox.clerk.deleteUser(deletedId);
  await sandbox.webhooks.settle();
  sql = postgres(database.url, { max: 1, onnotice: () => {} });
  await sql`create table public.orders as select 1 as id, id as user_id, 1 as total, now() as created_at from mirror.users`;
  await sql`grant select on public.orders to mirror_reader`;
  env = {
    KEY: "um_test",
    MIRROR_KEY: "um_test",
    PORT: "0",
    DATABASE_URL: database.url,
    CLERK_SECRET_KEY: sandbox.secretKey,
    CLERK_API_URL: sandbox.url,
    CLERK_WEBHOOK_SIGNING_SECRET: WEBHOOK_SECRET,
    UPSTREAM_RATE_LIMIT: "100000",
    UPSTREAM_LAG: "500ms",
  };
}, 120_000);
afterAll(async () => {
  await sql.end();
  await server.stop();
  await Promise.all([sandbox.close(), database.drop()]);
  rmSync(folder, { recursive: true, force: true });
});

describe("the lists", () => {
  test("name snippets and tests that exist", () => {
    const names = new Set(snippets.map(({ name }) => name));
    for (const list of [NOT_RUN, UNTIL, SHOWS, AROUND]) {
      expect(Object.keys(list).filter((name) => !names.has(name))).toEqual([]);
    }
    for (const [page, file] of Object.entries(HAVE_A_TEST)) {
      expect(existsSync(join(ROOT, file)) && readFileSync(join(ROOT, file), "utf8")).toContain(page);
    }
  });
});

test.for(snippets.map((snippet) => [snippet.name, snippet] as const))(
  "%s can be read",
  async ([, snippet]) => {
    await expectSyntax(snippet);
  },
);

test.each([
  ["json", '{ "a": 1, }'],
  ["sh", "curl 'http://127.0.0.1"],
  ["yaml", "a: [1"],
  ["python", "clerk = Clerk(\nusers = 1"],
  ["ruby", "clerk = Clerk.new("],
  ["go", "users := user.NewClient(config"],
  ["php", "$clerk = ClerkBackend::builder("],
  ["cobol", "STOP RUN."],
])("a snippet that is wrong is found: %s", async (language, text) => {
  await expect(expectSyntax({ language, text })).rejects.toThrow();
});

/** What can't be run: pictures and grammars. */
const SHOWN = new Set(["mermaid", "text"]);

const run = snippets.filter(
  ({ name, page, language }) => !(name in NOT_RUN) && !(page in HAVE_A_TEST) && !SHOWN.has(language),
);

test.for(run.map((snippet) => [snippet.name, snippet] as const))("%s works", async ([name, snippet]) => {
  const text = (AROUND[name] ?? String)(snippet.text)
    .replaceAll("http://127.0.0.1:8787", server.url)
    .replaceAll("um_…", "um_test")
    .replaceAll("sk_…", sandbox.secretKey)
    .replaceAll("FIELD_POLICY_KEY=…", "FIELD_POLICY_KEY=sixteen-characters");
  const runIt = RUN[snippet.language];
  if (!runIt) throw new Error(`who runs ${snippet.language}? Otherwise it belongs in NOT_RUN`);
  await runIt(text, snippet);
});

test("the programs in TypeScript have no errors of types", async () => {
  expect(await compilerSays(folder)).toBe("");
});

const RUN: Record<string, (text: string, snippet: NamedSnippet) => Promise<void>> = {
  sh: runShell,
  async ts(text, snippet) {
    const file = `${snippet.name.replace(/\W+/g, "-")}.ts`;
    writeFileSync(join(folder, file), text);
    await runShell(`exec node --import tsx ${file}`, snippet);
  },
  async sql(text) {
    const rows = await sql.begin(async (tx) => {
      await tx`set local role mirror_reader`;
      return tx.unsafe(text);
    });
    expect(rows.length).toBeGreaterThan(0);
  },
  async json(text) {
    const value = JSON.parse(text);
    const question = QUESTIONS.find(({ member }) => member in value);
    if (question) await ask(question, value);
  },
  async scim(text) {
    await get(`/mirror/users?filter=${encodeURIComponent(text)}`);
  },
};

async function runShell(text: string, { name }: NamedSnippet): Promise<void> {
  expect(text).not.toMatch(/npm (ci|i|install)\b/);
  const until = UNTIL[name];
  const traffic = until && setInterval(changeSomebody, 100);
  const ended = await runScript(ownCli(text), folder, env, until);
  clearInterval(traffic);
  if (until) expect(ended.stdout).toMatch(until);
  else expect([ended.code, ended.code === 0 ? "" : ended.stderr]).toEqual([0, ""]);
  expect(ended.stdout).toMatch(SHOWS[name] ?? "");
}

/** By which member of its body a question is known, and by which schema it is answered. */
const QUESTIONS = [
  { member: "cohort", route: "/mirror/users/retention", answer: "Cohorts" },
  { member: "group_by", route: "/mirror/users/aggregate", answer: "Groups" },
  { member: "filter", route: "/mirror/users/query", answer: "UserPage" },
];

async function ask({ route, answer }: (typeof QUESTIONS)[number], body: unknown): Promise<void> {
  const response = await fetch(`${server.url}${route}`, {
    method: "POST",
    headers: { Authorization: "Bearer um_test" },
    body: JSON.stringify(body),
  });
  const answered = await response.json();
  expect([response.status, componentProblems(answer, answered)]).toEqual([200, []]);
}

async function get(path: string): Promise<void> {
  const response = await fetch(`${server.url}${path}`, { headers: { Authorization: "Bearer um_test" } });
  expect([response.status, await response.text()]).toEqual([200, expect.any(String)]);
}
