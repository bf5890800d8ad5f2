import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { importProblems, readSources, sourceFile, structureProblems } from "./support/imports.js";

const files = readSources(join(import.meta.dirname, "..", "src"));

describe("the sources", () => {
  test("import only from layers to their right", () => {
    expect(files.length).toBeGreaterThan(50);
    expect(files.flatMap(importProblems)).toEqual([]);
  });

  test("write the folded tables, read the environment and export as agreed", () => {
    expect(files.flatMap(structureProblems)).toEqual([]);
  });

  test("fit on a few screens", () => {
    const long = files.filter(({ text }) => text.split("\n").length > 350).map(({ path }) => path);
    expect(long).toEqual([]);
  });
});

describe("the checker", () => {
  const problemsOf = (path: string, line: string) => importProblems(sourceFile(path, line));

  test.each([
    ["query/users.ts", 'import { a } from "../sync/apply.js";'],
    ["sync/apply.ts", 'import { a } from "../query/users.js";'],
    ["sync/apply.ts", 'import type { A } from "../http/app.js";'],
    ["upstream/client.ts", 'import { connect } from "../db/client.js";'],
    ["db/client.ts", 'import { loadConfig } from "../config.js";'],
    ["lib/text.ts", 'import { connect } from "../db/client.js";'],
    ["sandbox/server.ts", 'import { sleep } from "../lib/async.js";'],
    ["cli/demo.ts", 'import { startSandbox } from "../sandbox/server.js";'],
    ["http/app.ts", 'const late = await import("../runtime.js");'],
    ["elsewhere/a.ts", 'import { connect } from "../db/client.js";'],
  ])("finds what is wrong with %s: %s", (path, line) => {
    expect(problemsOf(path, line)).toHaveLength(1);
  });

  test.each([
    ["http/app.ts", 'import { a } from "../sync/apply.js";'],
    ["cli/sandbox.ts", 'import { startSandbox } from "../sandbox/server.js";'],
    ["runtime.ts", 'import { loadConfig } from "./config.js";'],
    ["db/client.ts", 'import { sleep } from "../lib/async.js";'],
    ["sync/apply.ts", 'import { fold } from "./fold.js";'],
  ])("finds nothing wrong with %s: %s", (path, line) => {
    expect(problemsOf(path, line)).toEqual([]);
  });

  test.each([
    ["sync/walk.ts", "await tx`update mirror_data.users set payload = null`"],
    ["http/app.ts", "const port = process.env.PORT;"],
    ["lib/text.ts", "export default function text() {}"],
  ])("finds what %s must not do: %s", (path, line) => {
    expect(structureProblems(sourceFile(path, line))).toHaveLength(1);
  });
});
