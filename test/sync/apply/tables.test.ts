// Covers src/sync/apply/columns.ts, src/db/tables/{columns,users,organizations,sync}.ts

import { getTableConfig, type PgTable } from "drizzle-orm/pg-core";
import { describe, expect, test } from "vitest";
import * as organizations from "../../../src/db/tables/organizations.js";
import * as users from "../../../src/db/tables/users.js";
import type { Columns } from "../../../src/sync/apply/columns.js";
import * as sent from "../../../src/sync/apply/tables.js";

const schema = { ...users, ...organizations };

// A column that the schema has and a batch doesn't would stay empty, or as it was, and nothing would say so.
describe.each([
  ["users", sent.users, schema.users],
  ["organizations", sent.organizations, schema.organizations],
  ["organization_memberships", sent.memberships, schema.organizationMemberships],
  ["user_search", sent.search, schema.userSearch],
  ["user_grams", sent.grams, schema.userGrams],
  ["user_activity", sent.activity, schema.userActivity],
  ["user_metadata", sent.metadata, schema.userMetadata],
  ["user_identifiers", sent.identifiers, schema.userIdentifiers],
] as [string, { columns: Columns }, PgTable][])("a batch for %s", (_, { columns }, table) => {
  const stored = Object.fromEntries(getTableConfig(table).columns.map((column) => [column.name, column]));

  test("has all of the table's columns and no others", () => {
    expect(Object.keys(columns).sort()).toEqual(Object.keys(stored).sort());
  });

  test("has them of the table's types", () => {
    const types = Object.entries(columns).map(([name, column]) => [name, typeOf(column)]);
    const expected = Object.keys(columns).map((name) => [
      name,
      stored[name]?.getSQLType().replace(' COLLATE "C"', ""),
    ]);
    expect(types).toEqual(expected);
  });

  test("takes null for the columns that may be null", () => {
    const nullable = Object.keys(columns).filter((name) => columns[name]?.empty === null);
    expect(nullable).toEqual(Object.keys(columns).filter((name) => !stored[name]?.notNull));
  });
});

/** The type of what is stored, by the SQL that makes it. */
function typeOf({ array, stored }: Columns[string]): string | undefined {
  const element = stored("x");
  if (element.endsWith("::jsonb")) return "jsonb";
  if (element.startsWith("string_to_array(") || element.endsWith("::text[]")) return "text[]";
  return array("$1").startsWith("string_to_array(") ? "text" : /::(\w+)\[\]$/.exec(array("$1"))?.[1];
}
