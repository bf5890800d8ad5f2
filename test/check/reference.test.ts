import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { DEFAULT_LIMITS } from "../../src/auth/limits.js";
import { SCOPES } from "../../src/auth/scopes.js";
import { createProgram } from "../../src/cli/program.js";
import { aboutOf, defaultOf, secretNames, variableNames } from "../../src/config/variables.js";
import { readClerkDescription } from "../../src/http/openapi/clerk-schema.js";
import { webhookAnswer } from "../../src/http/openapi/upkeep.js";
import { ORDER_FIELDS } from "../../src/query/order.js";
import { cliReference } from "../support/cli-reference.js";
import { withParts } from "../support/made-parts.js";
import { ROOT, readPage } from "../support/markdown.js";
import { routesReference } from "../support/routes-reference.js";

describe("docs/reference/cli.md", () => {
  test("is made of the program's commands (after a change: npm run check -- --update)", async () => {
    const page = cliReference(createProgram().commands);
    await expect(page).toMatchFileSnapshot(join(ROOT, "docs/reference/cli.md"));
  });
});

describe("docs/reference/routes.md", () => {
  const path = join(ROOT, "docs/reference/routes.md");
  const page = readPage("docs/reference/routes.md");
  /** What stands as code in the first column of the table with these columns. */
  const named = (...columns: string[]) =>
    page.tables
      .filter((table) => table.columns.join() === columns.join())
      .flatMap(({ rows }) => rows.flatMap(([first]) => first?.codes ?? []));

  test("has what the description of the API has (after a change: npm run check -- --update)", async () => {
    await expect(withParts(page.text, routesReference())).toMatchFileSnapshot(path);
  });

  test("explains every scope", () => {
    expect(named("scope", "allows")).toEqual(SCOPES);
  });

  test("explains every parameter of Clerk's lists, in the orders that there are", () => {
    const { paths, components } = readClerkDescription();
    const parameters = paths["/users"]?.get?.parameters ?? [];
    const names = parameters.map(({ $ref, name }) =>
      $ref ? components.parameters[String($ref).split("/").at(-1) ?? ""]?.name : name,
    );
    expect(named("parameter", "keeps users").sort()).toEqual(names.sort());
    const orders = page.text.split("\n").find((line) => line.startsWith("| `order_by` | `created_at`"));
    for (const field of ORDER_FIELDS) expect(orders).toContain(`\`${field}\``);
  });

  test("says what keys may do unless they are made with other limits, and what a webhook is answered", () => {
    const { rate, inFlight } = DEFAULT_LIMITS;
    const [requests, underWay] = [rate, inFlight].map((limit) => limit.toLocaleString("en"));
    expect(page.text).toContain(`${requests} requests a second and have ${underWay} under way`);
    expect(named("answer", "when", "then").sort()).toEqual([...webhookAnswer.shape.status.options].sort());
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
