import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createProgram } from "../../src/cli/program.js";
import { aboutOf, defaultOf, secretNames, variableNames } from "../../src/config/variables.js";
import { cliReference } from "../support/cli-reference.js";
import { ROOT } from "../support/markdown.js";

describe("docs/reference/cli.md", () => {
  test("is made of the program's commands (after a change: npm run check -- --update)", async () => {
    const page = cliReference(createProgram().commands);
    await expect(page).toMatchFileSnapshot(join(ROOT, "docs/reference/cli.md"));
  });
});

describe("docs/reference/environment.md", () => {
  const text = readFileSync(join(ROOT, "docs/reference/environment.md"), "utf8");
  const rows = new Map(
    [...text.matchAll(/^\| `([A-Z_]+)` \| ([^|]*) \|/gm)].map(([, name = "", initial = ""]) => [
      name,
      initial,
    ]),
  );

  test("has a row for each variable that is read, and for no other but that of the bench", () => {
    expect([...rows.keys()].sort()).toEqual([...variableNames, "BENCH_USERS"].sort());
  });

  test.for(variableNames.map((name) => [name] as const))("states the default of %s", ([name]) => {
    const initial = defaultOf(name);
    if (initial !== null) expect(rows.get(name)).toBe(`\`${initial}\``);
    else expect(rows.get(name)).not.toMatch(/^`/);
    if (initial === null) expect(aboutOf(name).otherwise).toBeTruthy();
  });

  test("names the file of each secret", () => {
    for (const name of secretNames) expect(text).toContain(`\`${name}_FILE\``);
  });
});
