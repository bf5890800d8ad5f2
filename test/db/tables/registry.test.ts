import { getTableConfig, PgTable } from "drizzle-orm/pg-core";
import { expect, test } from "vitest";
import * as history from "../../../src/db/tables/history.js";
import * as organizations from "../../../src/db/tables/organizations.js";
import { GROWING_TABLES } from "../../../src/db/tables/registry.js";
import * as sync from "../../../src/db/tables/sync.js";
import * as users from "../../../src/db/tables/users.js";

/** A row for each key, process, counter or hour: too few to analyze. */
const SMALL = ["api_keys", "budget", "counters", "delivery_counts", "leases", "upstream"];

const TABLES = Object.values({ ...users, ...organizations, ...sync, ...history })
  .filter((one) => one instanceof PgTable)
  .map((table) => getTableConfig(table));

test("names every table of the schema that grows", () => {
  const names = TABLES.map(({ name }) => name);
  expect([...Object.keys(GROWING_TABLES), ...SMALL].sort()).toEqual(names.sort());
});

test("names columns that the tables have", () => {
  for (const [name, key] of Object.entries(GROWING_TABLES)) {
    const table = TABLES.find((one) => one.name === name);
    expect(table?.columns.map((column) => column.name)).toContain(key);
  }
});
