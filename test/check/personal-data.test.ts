import { readFileSync } from "node:fs";
import { join } from "node:path";
import { getTableName, is } from "drizzle-orm";
import { PgTable } from "drizzle-orm/pg-core";
import { describe, expect, test } from "vitest";
import { defaultOf, variableNames } from "../../src/config/variables.js";
import * as historyTables from "../../src/db/tables/history.js";
import * as organizationTables from "../../src/db/tables/organizations.js";
import { GROWING_TABLES } from "../../src/db/tables/registry.js";
import * as ledgerTables from "../../src/db/tables/sync.js";
import * as userTables from "../../src/db/tables/users.js";
import { ROOT } from "../support/markdown.js";

describe("docs/how-to/privacy.md, on what is kept and for how long", () => {
  const text = readFileSync(join(ROOT, "docs/how-to/privacy.md"), "utf8");
  const rows = [...text.matchAll(/^\| (.+) \| (.+) \| (.+) \| (.+) \|$/gm)]
    .slice(1)
    .map((row) => row.slice(1));
  const names = (cell = "") => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name);
  const [, others = ""] = /^The remaining tables hold nothing of users: (.*?)\n\n/ms.exec(text) ?? [];
  const tables = [historyTables, organizationTables, ledgerTables, userTables]
    .flatMap((file) => Object.values<unknown>(file))
    .flatMap((one) => (is(one, PgTable) ? [getTableName(one)] : []));

  test("each table of the schema stands in it, or among those that hold nothing of users", () => {
    expect(tables.length).toBeGreaterThan(20);
    expect([...rows.flatMap(([, where]) => names(where)), ...names(others)].sort()).toEqual(tables.sort());
    // Nothing that grows is thought to be without people.
    expect(names(others).filter((name) => name in GROWING_TABLES)).toEqual([]);
  });

  test("each row says what shortens or ends the keeping, by variables with their defaults", () => {
    for (const [, , until, setting] of rows) {
      expect(until).toBeTruthy();
      for (const [, name = "", value] of setting?.matchAll(/`([A-Z_]+)(?:=\w+)?`(?: \(`(\w+)`\))?/g) ?? []) {
        expect(variableNames).toContain(name);
        if (value) expect(value).toBe(defaultOf(name as (typeof variableNames)[number]));
      }
    }
    const named = rows.flatMap((row) => names(row[3])).join(" ");
    for (const name of variableNames.filter((one) => /RETENTION|HISTORY|FIELD_POLICY$/.test(one)))
      expect(named).toContain(name);
  });
});
