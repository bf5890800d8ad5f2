// Covers src/db/setup/grants.ts

import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import { describe, expect, test } from "vitest";
import { grantsSql } from "../../../src/db/setup/grants.js";
import { migrateDatabase } from "../../../src/db/setup/migrate.js";
import { splitUser } from "../../../src/lib/user-text.js";
import { emptyDatabase } from "../../support/database.js";
import { migrateUntil } from "../../support/previous-schema.js";

const DRIZZLE = join(import.meta.dirname, "../../../drizzle");

async function withEmpty(work: (url: string, sql: postgres.Sql) => Promise<void>): Promise<void> {
  const { url, drop } = await emptyDatabase();
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    await work(url, sql);
  } finally {
    await sql.end();
    await drop();
  }
}

describe("migrating", () => {
  test("several processes may start on an empty database at once", async () => {
    await withEmpty(async (url, sql) => {
      await Promise.all(Array.from({ length: 5 }, () => migrateDatabase({ url })));
      await migrateDatabase({ url });
      const migrations = readdirSync(DRIZZLE).filter((file) => file.endsWith(".sql")).length;
      const [row] = await sql`select count(*)::int as n from mirror_data.__drizzle_migrations`;
      expect(row?.n).toBe(migrations);
    });
  });

  test("a database newer than the code is refused with the way out", async () => {
    await withEmpty(async (url, sql) => {
      await migrateDatabase({ url });
      await sql`insert into mirror_data.__drizzle_migrations (hash, created_at) values ('later', 9999999999999)`;
      await expect(migrateDatabase({ url })).rejects.toMatchObject({
        code: "configuration",
        message: expect.stringContaining("newer User Mirror"),
      });
    });
  });

  test("each migration commits by itself: what the first one locks isn't held while the next one works", async () => {
    await withEmpty(async (url, sql) => {
      const folder = mkdtempSync(join(tmpdir(), "user-mirror-migrations-"));
      cpSync(DRIZZLE, folder, { recursive: true });
      const journalFile = join(folder, "meta", "_journal.json");
      const journal = JSON.parse(readFileSync(journalFile, "utf8"));
      for (const [n, statement] of ["create table mirror_data.first ()", "select 1 / 0"].entries()) {
        const tag = `900${n}_added`;
        journal.entries.push({
          idx: 900 + n,
          version: "7",
          when: 9_000_000_000_000 + n,
          tag,
          breakpoints: true,
        });
        writeFileSync(join(folder, `${tag}.sql`), statement);
      }
      writeFileSync(journalFile, JSON.stringify(journal));
      await expect(migrateDatabase({ url, folder })).rejects.toThrow("division by zero");
      const [row] = await sql`select to_regclass('mirror_data.first')::text as name`;
      expect(row?.name).toBe("mirror_data.first");
      rmSync(folder, { recursive: true, force: true });
    });
  });

  test("a missing right is told with the line that a DBA runs, and with it the migration goes through", async () => {
    await withEmpty(async (url, sql) => {
      const role = `weak_${Date.now()}`;
      await sql.unsafe(`create role ${role} login password 'weak'`);
      const weak = url.replace(/\/\/[^@]+@/, `//${role}:weak@`);
      try {
        const failure = await migrateDatabase({ url: weak }).catch((error: unknown) => error);
        expect(failure).toMatchObject({ code: "configuration" });
        const line = /A DBA runs, in this database: (.*)$/.exec((failure as Error).message)?.[1];
        await sql.unsafe(String(line));
        await migrateDatabase({ url: weak });
      } finally {
        const name = new URL(url).pathname.slice(1);
        await sql.unsafe(`drop schema if exists mirror, mirror_data cascade; drop extension if exists pg_trgm cascade;
          revoke all on database ${name} from ${role}; drop owned by ${role}; drop role ${role}`);
      }
    });
  });

  test("the extension may live in a schema of its own", async () => {
    await withEmpty(async (url, sql) => {
      await sql`create schema extensions`;
      await sql`create extension pg_trgm schema extensions`;
      await migrateDatabase({ url });
      const [row] = await sql`select to_regclass('mirror_data.user_search_identifiers') is not null as has`;
      expect(row?.has).toBe(true);
    });
  });

  test("the SQL for a DBA makes the same roles", async () => {
    expect(grantsSql()).toContain("CREATE ROLE mirror_reader NOLOGIN");
    expect(grantsSql()).toContain("GRANT SELECT ON mirror.user_private_metadata TO mirror_reader_private");
  });
});

test("what was counted in UTF-16 units is counted in bytes by migration 0006", () =>
  withEmpty(async (url, sql) => {
    await migrateDatabase({ url });
    const text = await readFile(join(DRIZZLE, "0006_private_at_in_bytes.sql"), "utf8");
    await sql`alter table mirror_data.users rename column private_place to private_at`;
    const before = ["", "plain", "Ünï", "日本", "😀", "a😀b", "😀😀é", "x😀ÿ𝒳ß😀"];
    const objects = before.flatMap((name) =>
      before.map((after) => ({ object: "user", name, private_metadata: { a: 1 }, after })),
    );
    const rows = objects.map((object, n) => ({
      id: `user_${n}`,
      ...splitUser(object, { timesApart: false }),
    }));
    for (const { id, payload, privatePlace } of rows) {
      const units = Buffer.from(payload)
        .subarray(0, privatePlace ?? 0)
        .toString().length;
      await sql`insert into mirror_data.users (id, payload, private_at) values (${id}, ${payload}, ${units})`;
    }
    await sql.unsafe(text);
    const stored = await sql<
      { id: string; private_at: number }[]
    >`select id, private_at from mirror_data.users`;
    expect(new Map(stored.map((row) => [row.id, row.private_at]))).toEqual(
      new Map(rows.map(({ id, privatePlace }) => [id, privatePlace])),
    );
  }));

test("ids that stood before migration 0032 are found, and those written after it by whatever version", () =>
  withEmpty(async (url, sql) => {
    await migrateUntil(url, "0031_keep_visits_of_unknown_users");
    const add = (ids: string[]) => sql`
      insert into mirror_data.user_search
        (id, created_at, banned, password_enabled, two_factor_enabled, has_image, search, name_search)
      select id, 1, false, false, false, false, lower(id), '' from unnest(${ids}::text[]) as id`;
    await add(["user_b", "user_A"]);
    await migrateUntil(url, "0032_index_ids_apart");
    await add(["user_c"]);
    await migrateDatabase({ url });
    await add(["user_d"]);
    expect((await sql`select id from mirror_data.user_ids order by id`).map(({ id }) => id)).toEqual([
      "user_A",
      "user_b",
      "user_c",
      "user_d",
    ]);
  }));
