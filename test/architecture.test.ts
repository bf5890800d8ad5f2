import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { stalePatterns, uncovered } from "./support/covers.js";
import { circles, importProblems, readSources, sourceFile, structureProblems } from "./support/imports.js";

const files = readSources(join(import.meta.dirname, ".."), ["src", "bench", "test"]);
const sources = files.filter(({ path }) => path.startsWith("src/"));

describe("the product, its benchmarks and its tests", () => {
  test("import only from layers and rooms to their right", () => {
    expect(sources.length).toBeGreaterThan(150);
    expect(files.flatMap(importProblems)).toEqual([]);
  });

  test("import nothing in a circle, types included", () => {
    expect(circles(files)).toEqual([]);
  });

  test("write the folded tables, read the environment and export as agreed", () => {
    expect(sources.flatMap(structureProblems)).toEqual([]);
  });

  test("have a test each: at the same path, or one whose header names them", () => {
    const tests = files.filter(({ path }) => path.endsWith(".test.ts"));
    expect(uncovered(sources, tests)).toEqual([]);
    expect(stalePatterns(sources, tests)).toEqual([]);
  });

  test("fit on a few screens", () => {
    const long = sources.filter(({ text }) => text.split("\n").length > 350).map(({ path }) => path);
    expect(long).toEqual([]);
  });
});

describe("the checker", () => {
  const problemsOf = (path: string, line: string) => importProblems(sourceFile(path, line));

  test.each([
    ["src/query/users.ts", 'import { a } from "../sync/apply/apply.js";'],
    ["src/sync/apply/apply.ts", 'import { a } from "../../query/users.js";'],
    ["src/sync/apply/apply.ts", 'import type { A } from "../../http/app.js";'],
    ["src/sync/apply/apply.ts", 'import type { A } from "../../operations/status.js";'],
    ["src/sync/apply/apply.ts", 'import { walk } from "../reconcile/full.js";'],
    ["src/sync/webhooks/ingest.ts", 'import { verify } from "../reconcile/verify.js";'],
    ["src/sync/elsewhere/a.ts", 'import { verify } from "../reconcile/verify.js";'],
    ["src/db/connection/client.ts", 'import { migrate } from "../setup/migrate.js";'],
    ["src/db/tables/users.ts", 'import { findApiKeys } from "../api-keys.js";'],
    ["src/changes/feed.ts", 'import { userCache } from "../cache/user-cache.js";'],
    ["src/upstream/client.ts", 'import { connect } from "../db/connection/client.js";'],
    ["src/db/connection/client.ts", 'import { loadConfig } from "../../config.js";'],
    ["src/lib/text.ts", 'import { connect } from "../db/connection/client.js";'],
    ["src/lib/text.ts", 'import { test } from "../../test/support/database.js";'],
    ["src/sandbox/server.ts", 'import { sleep } from "../lib/async.js";'],
    ["src/sandbox/world/users.ts", 'import { queryOf } from "../api/http.js";'],
    ["src/cli/demo.ts", 'import { startSandbox } from "../sandbox/server.js";'],
    ["src/http/app.ts", 'const late = await import("../runtime/server.js");'],
    ["src/elsewhere/a.ts", 'import { connect } from "../db/connection/client.js";'],
    ["bench/main.ts", 'import { test } from "../test/support/database.js";'],
    ["bench/report/table.ts", 'import { measureHttp } from "../http/measure.js";'],
    ["test/support/walks.ts", 'import "../sync/fold/fold.test.js";'],
  ])("finds what is wrong with %s: %s", (path, line) => {
    expect(problemsOf(path, line)).toHaveLength(1);
  });

  test.each([
    ["src/http/app.ts", 'import { a } from "../sync/apply/apply.js";'],
    ["src/cli/sandbox.ts", 'import { startSandbox } from "../sandbox/server.js";'],
    ["src/runtime/server.ts", 'import { loadConfig } from "../config.js";'],
    ["src/db/connection/client.ts", 'import { sleep } from "../../lib/async.js";'],
    ["src/sync/apply/apply.ts", 'import { fold } from "../fold/fold.js";'],
    ["src/sync/schedule/runner.ts", 'import { walk } from "../reconcile/full.js";'],
    ["bench/main.ts", 'import { measureHttp } from "./http/measure.js";'],
    ["test/query/users.pg.test.ts", 'import { a } from "../../src/sync/apply/apply.js";'],
  ])("finds nothing wrong with %s: %s", (path, line) => {
    expect(problemsOf(path, line)).toEqual([]);
  });

  test.each([
    ["src/sync/reconcile/full.ts", "await tx`update mirror_data.users set payload = null`"],
    ["src/http/app.ts", "const port = process.env.PORT;"],
    ["src/lib/text.ts", "export default function text() {}"],
  ])("finds what %s must not do: %s", (path, line) => {
    expect(structureProblems(sourceFile(path, line))).toHaveLength(1);
  });

  test("finds circles of two and of three, and none where a file is only imported twice", () => {
    const a = sourceFile("src/a.ts", 'import { b } from "./b.js"; import { c } from "./c.js";');
    const b = sourceFile("src/b.ts", 'import type { C } from "./c.js";');
    const c = sourceFile("src/c.ts", "");
    expect(circles([a, b, c])).toEqual([]);
    const back = sourceFile("src/c.ts", 'import { a } from "./a.js";');
    expect(circles([a, b, back])).toEqual([["src/a.ts", "src/b.ts", "src/c.ts"]]);
    expect(circles([b, sourceFile("src/c.ts", 'import { b } from "./b.js";')])).toEqual([
      ["src/b.ts", "src/c.ts"],
    ]);
  });

  test("finds a source that no test is responsible for, and a header that names what isn't there", () => {
    const sources = ["src/a/b.ts", "src/a/c.ts", "src/d/e.ts", "src/f.ts"].map((path) =>
      sourceFile(path, ""),
    );
    const tests = [
      sourceFile("test/f.pg.test.ts", ""),
      sourceFile("test/flows/all.pg.test.ts", "// Covers src/a/{b,c}.ts,\n// src/d/\n\nimport x;"),
    ];
    expect(uncovered(sources, tests)).toEqual([]);
    expect(stalePatterns(sources, tests)).toEqual([]);
    expect(uncovered([...sources, sourceFile("src/a/g.ts", "")], tests)).toEqual(["src/a/g.ts"]);
    expect(stalePatterns(sources.slice(1), tests)).toHaveLength(1);
  });
});
