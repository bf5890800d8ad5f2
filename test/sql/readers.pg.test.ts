// Covers src/db/setup/grants.ts

import { randomBytes } from "node:crypto";
import postgres from "postgres";
import { afterEach, beforeEach, describe, expect } from "vitest";
import { insertApiKey } from "../../src/db/api-keys.js";
import { grantsSql, hasReaderRoles } from "../../src/db/setup/grants.js";
import { applyItems } from "../../src/sync/apply/apply.js";
import {
  gone,
  membershipSnapshot,
  organizationSnapshot,
  userSnapshot,
} from "../../src/sync/fold/snapshot.js";
import { clerkUser } from "../support/clerk-user.js";
import { type TestDatabase, test } from "../support/database.js";
import { plant } from "../support/private-places.js";

const PRIVATE = "private-7f3a";
const FORMER = "former-7f3a";
const INTERNAL = "internal-7f3a";
const ROLES = ["mirror_reader", "mirror_reader_private"] as const;
type Role = (typeof ROLES)[number];

let readers: Record<Role, postgres.Sql>;
const opened: postgres.Sql[] = [];
const logins: string[] = [];

/** Logs in as a member of the role, with nothing of its own. */
async function memberOf(role: Role, { url, sql }: TestDatabase): Promise<postgres.Sql> {
  const name = `person_${randomBytes(6).toString("hex")}`;
  await sql.unsafe(`create role ${name} login password 'secret' in role ${role}`);
  logins.push(name);
  const reader = postgres(url.replace(/\/\/[^@]+@/, `//${name}:secret@`), { max: 1, onnotice: () => {} });
  opened.push(reader);
  return reader;
}

beforeEach<{ db: TestDatabase }>(async ({ db }) => {
  await fill(db);
  readers = {
    mirror_reader: await memberOf("mirror_reader", db),
    mirror_reader_private: await memberOf("mirror_reader_private", db),
  };
});

afterEach<{ db: TestDatabase }>(async ({ db }) => {
  for (const reader of opened.splice(0)) await reader.end();
  for (const name of logins.splice(0)) await db.sql.unsafe(`drop owned by ${name}; drop role ${name}`);
});

/** A user with private metadata wherever Clerk's schemas have any, one who is deleted, and what the mirror keeps for itself. */
async function fill({ sql, database }: TestDatabase): Promise<void> {
  const withPrivate = (schema: string, object: Record<string, unknown> & { id: string }) => {
    plant(schema, object, (place) => ({ [PRIVATE]: place }));
    return object;
  };
  const organization = (id: string, name: string) =>
    withPrivate("Organization", {
      id,
      object: "organization",
      name,
      slug: name,
      created_at: 1,
      updated_at: 1,
    });
  const membership = (id: string, org: string, user: string) =>
    withPrivate("OrganizationMembership", {
      ...{ id, object: "organization_membership", role: "org:admin", created_at: 1, updated_at: 1 },
      ...{ organization: { id: org }, public_user_data: { user_id: user, identifier: FORMER } },
      public_metadata: user === "user_2" || org === "org_2" ? { [FORMER]: 1 } : {},
    });
  const former = {
    ...{
      first_name: FORMER,
      username: FORMER,
      public_metadata: { [FORMER]: 1 },
      unsafe_metadata: { [FORMER]: 1 },
    },
    email_addresses: [{ id: "idn_2", email_address: `${FORMER}@example.com` }],
    primary_email_address_id: "idn_2",
  };
  await applyItems(
    sql,
    [
      {
        users: [
          userSnapshot(withPrivate("User", clerkUser({ id: "user_1", last_active_at: 1 })), "page", 1),
          userSnapshot(withPrivate("User", clerkUser({ id: "user_2", ...former })), "page", 1),
        ],
        organizations: [
          organizationSnapshot(organization("org_1", "acme"), "page", 1),
          organizationSnapshot(organization("org_2", FORMER), "page", 1),
        ],
        memberships: [
          membershipSnapshot(membership("orgmem_1", "org_1", "user_1"), "page", 1),
          membershipSnapshot(membership("orgmem_2", "org_1", "user_2"), "page", 1),
          membershipSnapshot(membership("orgmem_3", "org_2", "user_1"), "page", 1),
        ],
      },
      { users: [gone("user_2", "webhook", 2)], organizations: [gone("org_2", "webhook", 2)] },
    ],
    { lagMs: 0 },
  );
  await insertApiKey(database.primary.orm, {
    id: "key_1",
    name: INTERNAL,
    digest: INTERNAL,
    scopes: ["admin"],
  });
  await sql`
    insert into mirror_data.dead_letters (id, payload, error, received_at, tried_at)
    values (${INTERNAL}, ${INTERNAL}, ${INTERNAL}, 1, 1)`;
  await sql.unsafe("analyze");
}

const relations = async ({ sql }: TestDatabase, schema: string, kinds: string) =>
  (
    await sql<{ name: string }[]>`
      select format('%I.%I', n.nspname, c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname = ${schema} and c.relkind = any(string_to_array(${kinds}, null)) order by 1`
  ).map(({ name }) => name);

const DENIED = expect.objectContaining({ code: "42501" });
const refused = (sql: postgres.Sql, statement: string) =>
  sql.unsafe(statement).then(
    () => `${statement} was done`,
    (error: unknown) => error,
  );

describe.for(ROLES)("%s", (role) => {
  test("reads nothing of mirror_data, and runs nothing of it", async ({ db }) => {
    const tables = await relations(db, "mirror_data", "rSmv");
    expect(tables.length).toBeGreaterThan(15);
    for (const table of tables) {
      expect([table, await refused(readers[role], `select * from ${table}`)]).toEqual([table, DENIED]);
    }
    const functions = await db.sql<{ call: string }[]>`
      select format('%s(%s)', p.oid::regproc, (
        select string_agg(format('null::%s', format_type(one, null)), ', ') from unnest(p.proargtypes) as one)) as call
      from pg_proc p where p.pronamespace = 'mirror_data'::regnamespace and p.prorettype <> 'trigger'::regtype`;
    expect(functions.length).toBeGreaterThan(1);
    for (const { call } of functions) {
      expect([call, await refused(readers[role], `select ${call}`)]).toEqual([call, DENIED]);
    }
  });

  test("reads every view, and of private metadata what it may", async ({ db }) => {
    for (const view of await relations(db, "mirror", "v")) {
      const statement = `select t::text as row from ${view} t`;
      if (view === "mirror.user_private_metadata" && role === "mirror_reader") {
        expect(await refused(readers[role], statement)).toEqual(DENIED);
        continue;
      }
      const text = (await readers[role].unsafe(statement)).map(({ row }) => row).join("\n");
      const shows = (marker: string) => text.includes(marker);
      expect({ view, empty: text === "" }).toEqual({
        view,
        empty: ["mirror.phone_numbers", "mirror.web3_wallets", "mirror.external_accounts"].includes(view),
      });
      expect({ view, private: shows(PRIVATE), former: shows(FORMER), internal: shows(INTERNAL) }).toEqual({
        ...{ view, former: false, internal: false },
        private: view === "mirror.user_private_metadata",
      });
    }
  });

  test("finds none of it in what Postgres tells everybody either", async () => {
    for (const source of [
      "pg_stats",
      "pg_stats_ext",
      "pg_stats_ext_exprs",
      "pg_stat_activity",
      "pg_prepared_statements",
      "pg_cursors",
      "pg_settings",
      "pg_description",
      "pg_views",
    ]) {
      const rows = await readers[role].unsafe(`select t::text as row from ${source} t`);
      const text = rows.map(({ row }) => row).join("\n");
      expect([source, [PRIVATE, FORMER, INTERNAL].filter((marker) => text.includes(marker))]).toEqual([
        source,
        [],
      ]);
    }
    expect(await refused(readers[role], "select * from pg_statistic")).toEqual(DENIED);
  });

  test("isn't told by errors or by its own functions what a view leaves out", async () => {
    const reader = readers[role];
    await reader.unsafe(`
      create function pg_temp.tell(value text) returns boolean language plpgsql cost 0.0001 as $$ begin
        perform set_config('own.told', current_setting('own.told') || value, false); return true; end $$;
      create function pg_temp.heard(name text, col text) returns text language plpgsql as $$ begin
        perform set_config('own.told', '', false);
        execute format('select count(*) from mirror.%I where pg_temp.tell(%s)', name, col);
        return current_setting('own.told'); end $$`);
    for (const [view, column] of [
      ["users", "data::text"],
      ["users", "coalesce(first_name, '')"],
      ["organizations", "data::text"],
      ["organizations", "coalesce(name, '')"],
      ["organization_memberships", "data::text"],
      ["organization_memberships", "public_metadata::text"],
      ["email_addresses", "email_address"],
    ] as const) {
      // Told each row that it is asked about, whatever the view asks of the row afterwards.
      const told = (
        await reader.unsafe(`select pg_temp.heard('${view}', '${column.replaceAll("'", "''")}') as all`)
      )[0]?.all;
      expect(told).toEqual(expect.any(String));
      for (const marker of [FORMER, PRIVATE])
        expect([view, column, told]).not.toEqual([view, column, expect.stringContaining(marker)]);
    }
  });

  test("writes nowhere", async ({ db }) => {
    const reader = readers[role];
    const columns = await db.sql<{ view: string; name: string }[]>`
      select 'mirror.' || table_name as view, column_name as name
      from information_schema.columns where table_schema = 'mirror' and ordinal_position = 1`;
    const firstColumn = new Map(columns.map(({ view, name }) => [view, name]));
    for (const view of await relations(db, "mirror", "v")) {
      for (const statement of [
        `insert into ${view} default values`,
        `update ${view} set ${firstColumn.get(view)} = default`,
        `delete from ${view}`,
        `drop view ${view}`,
        `alter view ${view} owner to current_user`,
        `create or replace view ${view} as select 1`,
      ]) {
        expect([statement, await refused(reader, statement)]).toEqual([
          statement,
          // What isn't simple enough to be written through says so first.
          expect.objectContaining({ code: expect.stringMatching(/^(42501|55000|428C9)$/) }),
        ]);
      }
    }
    for (const table of await relations(db, "mirror_data", "r")) {
      for (const statement of [`truncate ${table}`, `delete from ${table}`]) {
        expect([statement, await refused(reader, statement)]).toEqual([statement, DENIED]);
      }
    }
    for (const schema of ["mirror", "mirror_data", "public"]) {
      expect(await refused(reader, `create table ${schema}.own ()`)).toEqual(DENIED);
    }
    for (const statement of [
      "set role postgres",
      "reset session authorization; set role mirror",
      "create role more",
    ]) {
      const error = await refused(reader, statement);
      expect([statement, error]).toEqual([
        statement,
        expect.objectContaining({ code: expect.stringMatching(/^(42501|22023)$/) }),
      ]);
    }
    const [row] = await db.sql`select (select count(*) from mirror.users)::int as users`;
    expect(row).toEqual({ users: 1 });
  });

  test("is kept from the mirror's own work by limits that hold for whoever logs in as it", async ({ db }) => {
    const [config] = await db.sql<{ settings: string[]; most: number }[]>`
      select to_jsonb(rolconfig) as settings, rolconnlimit as most from pg_roles where rolname = ${role}`;
    expect(config).toEqual({
      settings: [
        "statement_timeout=60s",
        "idle_in_transaction_session_timeout=60s",
        "work_mem=16MB",
        "max_parallel_workers_per_gather=0",
        "default_transaction_read_only=on",
      ],
      most: 16,
    });
  });
});

test("mirror_reader_private is known to lack rights where somebody else made it, and a grant of its own mends that", ({
  db,
}) => {
  const undone = new Error("rolled back");
  return expect(
    db.sql.begin(async (tx) => {
      await tx`revoke mirror_reader from mirror_reader_private`;
      expect(await hasReaderRoles(tx as never)).toBe(false);
      for (const statement of grantsSql()
        .split(";\n")
        .filter((one) => one.startsWith("GRANT")))
        await tx.unsafe(statement);
      expect(await hasReaderRoles(tx as never)).toBe(true);
      throw undone;
    }),
  ).rejects.toBe(undone);
});
