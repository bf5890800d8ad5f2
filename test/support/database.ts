import { randomBytes } from "node:crypto";
import postgres from "postgres";
import { test as base, inject } from "vitest";
import { connect, type Database } from "../../src/db/connection/client.js";
import type { Sql } from "../../src/db/connection/sql.js";

export interface TestDatabase {
  url: string;
  database: Database;
  sql: Sql;
  truncate(): Promise<void>;
}

/** A database of its own that exists until `drop`. */
export interface OwnDatabase {
  url: string;
  drop(): Promise<void>;
}

/** Migrated and empty. */
export const freshDatabase = (): Promise<OwnDatabase> => create("template_mirror");

/** With nothing of the mirror in it. */
export const emptyDatabase = (): Promise<OwnDatabase> => create("template0");

/** A migrated database for each file, emptied before each test. */
export const test = base.extend<{ $file: { ownDatabase: TestDatabase }; $test: { db: TestDatabase } }>({
  ownDatabase: [
    // biome-ignore lint/correctness/noEmptyPattern: vitest reads a fixture's dependencies from this pattern
    async ({}, use) => {
      const { url, drop } = await freshDatabase();
      const database = connect({ url });
      await use({ url, database, sql: database.primary.sql, truncate: () => truncate(database.primary.sql) });
      await database.close();
      await drop();
    },
    { scope: "file" },
  ],
  db: async ({ ownDatabase }, use) => {
    await ownDatabase.truncate();
    await use(ownDatabase);
  },
});

/** Leaves out the tables that are as a truncated one is already: it takes far longer than to see that. */
async function truncate(sql: Sql): Promise<void> {
  const tables = await sql<{ name: string }[]>`
    select relname as name from pg_class
    where relnamespace = 'mirror_data'::regnamespace and relkind = 'r'
      and relname not in ('__drizzle_migrations', 'counters')
      and (pg_relation_size(oid) > 0 or reltuples >= 0)`;
  if (tables.length > 0) {
    await sql.unsafe(`truncate ${tables.map(({ name }) => `mirror_data.${name}`).join(", ")}`);
  }
  await sql`select setval(pg_get_serial_sequence('mirror_data.changes', 'position'), 1, false)`;
  await sql`update mirror_data.counters set n = 0`;
}

async function create(template: string): Promise<OwnDatabase> {
  const name = `test_${randomBytes(8).toString("hex")}`;
  await onCluster((sql) => sql.unsafe(`create database ${name} template ${template} strategy file_copy`));
  return {
    url: inject("clusterUrl").replace(/\/[^/]*$/, `/${name}`),
    drop: async () => {
      await onCluster((sql) => sql.unsafe(`drop database if exists ${name} with (force)`));
    },
  };
}

async function onCluster(work: (sql: postgres.Sql) => Promise<unknown>): Promise<void> {
  const sql = postgres(inject("clusterUrl"), { max: 1, onnotice: () => {} });
  try {
    await work(sql);
  } finally {
    await sql.end();
  }
}
